"""What `harness up` makes: credentials that verify, and commands that Flower's own parsers take."""

from __future__ import annotations

import json
import shlex
import socket
import stat
import subprocess
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path, PurePosixPath

import pytest
import yaml
from click.testing import CliRunner

from harness.cli.execute.up import command
from harness.errors import UsageError
from harness.federation.deployment import credentials
from harness.federation.deployment.plan import Deployment
from harness.federation.deployment.up import prepare, refuse_taken_ports
from harness.federation.deployment.written import FORMS, write_form

KEYS = PurePosixPath("/k")


def test_the_superlink_s_certificate_is_the_authority_s_and_of_its_names(tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    credentials.write_credentials(tmp_path, ["10.77.0.1", "link.example.org"], 1)
    root = x509.load_pem_x509_certificate((tmp_path / credentials.CA).read_bytes())
    own = x509.load_pem_x509_certificate((tmp_path / credentials.CERTIFICATE).read_bytes())
    trusting = PolicyBuilder().store(Store([root]))
    trusting.build_server_verifier(x509.DNSName("link.example.org")).verify(own, [])
    trusting.build_server_verifier(x509.IPAddress(ip_address("10.77.0.1"))).verify(own, [])
    other = trusting.build_server_verifier(x509.DNSName("elsewhere.example.org"))
    with pytest.raises(VerificationError):
        other.verify(own, [])


def test_a_port_that_something_listens_on_is_named_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for asked in ((port, []), (0, [0, port])):
            with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is taken.*--port"):
                refuse_taken_ports("127.0.0.1", *asked)
    refuse_taken_ports("127.0.0.1", port, [])
    refuse_taken_ports("192.0.2.1", port, [])  # no address of this machine


def test_no_secret_is_readable_by_others(tmp_path: Path) -> None:
    credentials.write_credentials(tmp_path, ["localhost"], 2)
    secret = [credentials.CA_KEY, credentials.CERTIFICATE_KEY, credentials.SECRET, "node-00001"]
    for name in secret:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    keys = {(tmp_path / credentials.node_key(number)).read_bytes() for number in range(2)}
    assert len(keys) == 2


def test_flower_reads_a_supernode_s_keys_and_its_commands(
    tmp_path: Path,
) -> None:
    from flwr.cli.supernode.register import try_load_public_key
    from flwr.common.config import parse_config_args
    from flwr.superlink.cli.flower_superlink import _parse_args_run_superlink

    flower_supernode = import_module("flwr.supernode.cli.flower_supernode")

    credentials.write_credentials(tmp_path, ["localhost"], 1)
    assert try_load_public_key(tmp_path / "node-00000.pub")
    deployment = Deployment(supernodes=10, mirror="/models and data")
    program, *words = deployment.supernode(tmp_path, 7, 9718)
    assert program == "flower-supernode"
    chosen = flower_supernode._parse_args_run_supernode().parse_args(words)
    config = parse_config_args([chosen.node_config])
    assert config == {
        "partition-id": 7, "num-partitions": 10, "mirror": "/models and data",
    }  # fmt: skip
    with pytest.raises(ValueError, match="mirror"):
        Deployment(supernodes=1, mirror='/models "and" data')
    program, *words = deployment.superlink(tmp_path, tmp_path / "state.db")
    link = _parse_args_run_superlink().parse_args(words)
    assert (link.enable_supernode_auth, link.insecure, link.host) == (True, False, "127.0.0.1")
    far = deployment.with_values(address="10.77.0.1").superlink(KEYS, KEYS / "db")
    assert far[far.index("--host") + 1] == "0.0.0.0"


def test_a_folder_of_another_deployment_is_refused(tmp_path: Path) -> None:
    one = Deployment(supernodes=1)
    places = prepare(one, tmp_path / "d")
    authority = (places.keys / credentials.CA).read_bytes()
    assert (prepare(one, tmp_path / "d").keys / credentials.CA).read_bytes() == authority
    with pytest.raises(UsageError, match="holds another deployment"):
        prepare(one.with_values(port=1234), tmp_path / "d")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(UsageError, match="is not empty"):
        prepare(one, tmp_path / "mine")


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_is_written_beside_its_keys(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    words = ["--supernodes", "2", "--folder", str(folder), "--address", "10.0.0.1"]
    done = CliRunner().invoke(command, [*words, "--mirror", "/srv/m", "--write", form])
    assert done.exit_code == 0, done.output
    written = [Path(line) for line in done.output.splitlines()]
    assert [path.name for path in written] == list(FORMS[form])
    assert all(path.is_file() for path in written)
    assert (folder / "keys" / "node-00001.pub").is_file()


def test_compose_starts_what_the_plan_says(tmp_path: Path) -> None:
    deployment = Deployment(supernodes=3, address="superlink", mirror="/srv/m")
    write_form("compose", deployment, tmp_path)
    found = yaml.safe_load((tmp_path / "compose" / "compose.yaml").read_text())["services"]
    assert set(found) == {
        "superlink",
        *(f"{k}-{n}" for k in ("supernode", "node") for n in range(3)),
    }
    keys = PurePosixPath("/etc/flowertune/keys")
    assert found["supernode-2"]["command"] == deployment.supernode(keys, 2, 9711)
    assert found["node-2"]["network_mode"] == "service:supernode-2"
    assert found["node-2"]["command"] == deployment.worker(keys, [9711])
    mounts = " ".join(found["supernode-2"]["volumes"])
    assert "node-00002" in mounts
    assert "node-00001" not in mounts  # a SuperNode has no other's key
    assert "ca.key" not in json.dumps(found)


def test_kubernetes_gives_each_pod_its_partition(tmp_path: Path) -> None:
    write_form("kubernetes", Deployment(supernodes=4, address="link", mirror="/srv/m"), tmp_path)
    parts = list(yaml.safe_load_all((tmp_path / "kubernetes" / "flowertune.yaml").read_text()))
    [nodes] = [part for part in parts if part["kind"] == "StatefulSet"]
    assert nodes["spec"]["replicas"] == 4
    [shell] = nodes["spec"]["template"]["spec"]["containers"][0]["command"][2:]
    said = subprocess.run(
        ["bash", "-c", shell.replace("exec flower-supernode", "printf '%s\\n'")],
        env={"PARTITION": "3", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert (
        said[said.index("--node-config") + 1] == 'partition-id=3 num-partitions=4 mirror="/srv/m"'
    )
    assert said[said.index("--auth-supernode-private-key") + 1].endswith("/node-00003")
    kustomization = (tmp_path / "kubernetes" / "kustomization.yaml").read_text()
    assert "ca.key" not in kustomization


def test_systemd_units_name_what_is_installed(tmp_path: Path) -> None:
    write_form("systemd", Deployment(supernodes=2, address="link"), tmp_path)
    folder = tmp_path / "systemd"
    text = (folder / "flowertune-superlink.service").read_text()
    [line] = [item for item in text.splitlines() if item.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart="))
    assert words[0] == "/opt/flowertune/bin/flower-superlink"
    script = folder / "install.sh"
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
