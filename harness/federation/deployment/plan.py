"""What a deployment consists of: its numbers, its folder, and the command of each process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath

from pydantic import Field

from harness.document import Document
from harness.federation.deployment import credentials
from harness.federation.superlink.remote_run import CALLER, UP
from harness.federation.superlink.remote_server import RUNS_VARIABLE

QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}

WORKER = "harness.federation.deployment.node_worker"


class Deployment(Document):
    """A SuperLink and its SuperNodes."""

    supernodes: int = Field(ge=1, le=10_000)
    address: str = "127.0.0.1"
    """Host name or address by which SuperNodes and callers reach the SuperLink."""
    port: int = Field(9710, ge=1, le=65_535)
    """Of the SuperLink; it serves SuperNodes, callers and ServerApps."""
    first_runtime_port: int = Field(9711, ge=1, le=65_535)
    """Of the first SuperNode of a machine, on 127.0.0.1; the next has the next."""
    workers: int = Field(1, ge=1)
    """Processes of a machine that answer for its SuperNodes: clients that train at once."""
    mirror: str = Field("", pattern=r'^[^"\\\n]*$')
    """Folder with `datasets/` and `models/` on SuperNodes' machines; "" for none. Flower takes
    no quotation mark in what it is told."""

    @property
    def local(self) -> bool:
        """Whether nothing outside this machine is to reach the SuperLink."""
        return self.address in ("127.0.0.1", "localhost")

    def names(self) -> list[str]:
        """Return what the SuperLink's certificate is valid for."""
        return list(dict.fromkeys([self.address, "localhost", "127.0.0.1"]))

    def superlink(self, keys: PurePath, database: PurePath) -> list[str]:
        """Return the command of the SuperLink.

        Args:
            keys: folder of the credentials.
            database: file of its state, messages included: a SuperLink that is started again goes
                on with it, and what waits for a client does not lie in its memory.
        """
        return [
            "flower-superlink",
            "--ssl-certfile", str(keys / credentials.CERTIFICATE),
            "--ssl-keyfile", str(keys / credentials.CERTIFICATE_KEY),
            "--ssl-ca-certfile", str(keys / credentials.CA),
            "--enable-supernode-auth",
            "--disable-runtime-dependency-installation",
            "--database", str(database),
            "--host", "127.0.0.1" if self.local else "0.0.0.0",
            "--port", str(self.port),
        ]  # fmt: skip

    def supernode(self, keys: PurePath, partition: int, runtime_port: int) -> list[str]:
        """Return the command of the SuperNode that holds a partition.

        Args:
            keys: folder of the credentials.
            partition: which.
            runtime_port: on 127.0.0.1, where a worker takes its messages.
        """
        return [
            "flower-supernode",
            "--root-certificates", str(keys / credentials.CA),
            "--superlink", f"{self.address}:{self.port}",
            "--auth-supernode-private-key", str(keys / credentials.node_key(partition)),
            "--node-config", self.node_config(partition),
            "--isolation", "process",
            "--superexec-auth-secret-file", str(keys / credentials.SECRET),
            "--host", "127.0.0.1",
            "--port", str(runtime_port),
        ]  # fmt: skip

    def node_config(self, partition: int | str) -> str:
        """Return the configuration of a SuperNode, as Flower takes it on its command line."""
        own = f"partition-id={partition} num-partitions={self.supernodes}"
        return own + (f" mirror={json.dumps(self.mirror)}" if self.mirror else "")

    def worker(self, keys: PurePath, runtime_ports: list[int]) -> list[str]:
        """Return the command that answers for SuperNodes of one machine.

        Args:
            keys: folder of the credentials.
            runtime_ports: of the SuperNodes.
        """
        command = ["harness", "node", "--secret", str(keys / credentials.SECRET)]
        command += ["--workers", str(self.workers)]
        return command + [f"127.0.0.1:{port}" for port in runtime_ports]

    def connection(self, keys: PurePath) -> str:
        """Return Flower's configuration for callers."""
        return (
            f'[superlink]\ndefault = "{UP}"\n\n[superlink.{UP}]\n'
            f'address = "{self.address}:{self.port}"\n'
            f"root-certificates = {json.dumps(str(keys / credentials.CA))}\n"
        )


class Places:
    """The files of a deployment's folder on this machine."""

    def __init__(self, folder: Path) -> None:
        """Name what lies in `folder`; nothing is made."""
        self.folder = folder.absolute()
        self.keys = self.folder / "keys"
        self.database = self.folder / "state" / "superlink.db"
        self.runs = self.folder / "runs"
        self.logs = self.folder / "logs"
        self.caller = self.folder / CALLER
        """Flower's home of callers: its `config.toml` names the connection."""

    def environment(self, role: str, before: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of one kind of process.

        Args:
            role: `superlink` or `nodes`: each has a Flower home of its own.
            before: without what would lead Python elsewhere.
        """
        own = {"FLWR_HOME": str(self.folder / role), RUNS_VARIABLE: str(self.runs)}
        return {**before, **QUIET, **own}
