"""SuperNodes in three networks of their own, with TLS and keys: the digests of a simulation.

    python bench/deployment/networks.py [--supernodes 10] [--rounds 3]

Makes three network namespaces on a bridge (as an ordinary user: in a user namespace). The
SuperLink and the caller are on one side of it; each namespace has its share of the SuperNodes, one
`harness node` and a folder with what a machine needs of the keys, as `harness up --write` says: the
authority's certificate, the secret, and the keys of its own SuperNodes. Runs the tests' tiny recipe
there and in this process, and prints both chains of digests.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "tiny"
sys.path.insert(0, str(TINY))
sys.path.insert(0, str(Path(__file__).parent))

from environment import environment_with  # noqa: E402
from served import serve  # noqa: E402
from supernodes import Caller  # noqa: E402
from tiny_model import make_tiny_model  # noqa: E402
from tiny_run import tiny_run  # noqa: E402

from harness.federation.deployment import credentials  # noqa: E402
from harness.federation.deployment.plan import Deployment, Places  # noqa: E402
from harness.federation.deployment.up import connected, prepare  # noqa: E402
from harness.federation.superlink.remote_run import CALLER, UP  # noqa: E402
from harness.processes.import_paths import isolated  # noqa: E402

NETWORKS = ("one", "two", "three")
ADDRESS = "10.78.0.1"
INSIDE = "NETWORKS_BENCH"
"""Set in the environment of this script once it has networks of its own."""

LIMIT_S = 240.0

MADE = f"""
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add bridge type bridge
ip addr add {ADDRESS}/24 dev bridge
ip link set bridge up
number=2
for name in {" ".join(NETWORKS)}; do
  ip netns add $name
  ip link add line-$name type veth peer name line
  ip link set line netns $name
  ip link set line-$name master bridge
  ip link set line-$name up
  ip netns exec $name ip addr add 10.78.0.$number/24 dev line
  ip netns exec $name ip link set line up
  ip netns exec $name ip link set lo up
  number=$((number + 1))
done
exec "$@"
"""


def keys_of(places: Places, partitions: range, folder: Path) -> Path:
    """Copy to a machine's folder what it needs of the credentials; return it."""
    folder.mkdir()
    names = [credentials.CA, credentials.SECRET, *map(credentials.node_key, partitions)]
    for name in names:
        shutil.copy(places.keys / name, folder / name)
    return folder


def start(command: list[str], network: str, environment: dict[str, str], log: Path) -> None:
    """Start a program of a deployment, in a network or in this one."""
    before = ["ip", "netns", "exec", network] if network else []
    program = str(Path(environment["PATH"].split(os.pathsep)[0]) / command[0])
    subprocess.Popen(
        [*before, program, *command[1:]], env=environment, stdin=subprocess.DEVNULL,
        stdout=log.open("ab"), stderr=subprocess.STDOUT,
    )  # fmt: skip


def run_it(chosen: argparse.Namespace) -> bool:
    """Run what the arguments say, inside the networks; return whether digests are equal."""
    place = Path(tempfile.mkdtemp(prefix="networks-"))
    python = environment_with(place / "environment", TINY)
    model = make_tiny_model(place / "mirror" / "models" / "tests" / "tiny")
    run = tiny_run(model, supernodes=chosen.supernodes, rounds=chosen.rounds, fraction=1.0)
    expected = serve(run, place / "plain").digests
    deployment = Deployment(
        supernodes=chosen.supernodes, address=ADDRESS, mirror=str(place / "mirror")
    )
    places = prepare(deployment, place / "deployment")
    for folder in (places.logs, places.runs, places.database.parent):
        folder.mkdir(parents=True, exist_ok=True)
    base = isolated(os.environ) | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    link = deployment.superlink(places.keys, places.database)
    begin = time.monotonic()
    start(link, "", places.environment("superlink", base), places.logs / "superlink.log")
    public = [f"{places.keys / credentials.node_key(k)}.pub" for k in range(chosen.supernodes)]
    register = [str(python), "-m", "harness.federation.deployment.register", UP, *public]
    while subprocess.call(
        register, env=places.environment(CALLER, base), stderr=subprocess.DEVNULL
    ):
        if time.monotonic() - begin > LIMIT_S:
            raise SystemExit(f"the SuperLink does not answer: {places.logs}")
        time.sleep(1)
    first = 0
    for number, network in enumerate(NETWORKS):
        count = (chosen.supernodes - first) // (len(NETWORKS) - number)
        mine = range(first, first + count)
        first += count
        keys = keys_of(places, mine, place / network)
        own = places.environment(f"nodes-{network}", base)
        ports = [deployment.first_runtime_port + k for k in range(count)]
        for partition, port in zip(mine, ports, strict=True):
            log = places.logs / f"supernode-{partition}.log"
            start(deployment.supernode(keys, partition, port), network, own, log)
        start(deployment.worker(keys, ports), network, own, places.logs / f"{network}.log")
        print(f"network {network}: SuperNodes {[*mine]}", flush=True)
    sys.executable = str(python)
    while (there := connected(places, base)) < chosen.supernodes:
        if time.monotonic() - begin > LIMIT_S:
            raise SystemExit(f"{there} SuperNodes connected: {places.logs}")
        time.sleep(1)
    print(f"{there} SuperNodes connected after {time.monotonic() - begin:.0f} s", flush=True)
    begin = time.monotonic()
    found, said = Caller(python, model, run, place / "run", places.folder).end()
    good = found == expected
    print(f"{'equal' if good else 'NOT EQUAL'}: {[item[:12] for item in found]}; {said}")
    print(f"simulation without processes: {[item[:12] for item in expected]}")
    print(f"took {time.monotonic() - begin:.0f} s; {json.dumps(deployment.names())}")
    if good:
        shutil.rmtree(place, ignore_errors=True)
    else:
        print(place)
    return good


def main() -> None:
    """Run this script again with networks of its own, and there what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--supernodes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if os.environ.get(INSIDE):
        good = run_it(chosen)
        sys.stdout.flush()
        os._exit(0 if good else 1)  # as the first process of its namespace it takes all along
    command = ["unshare", "-Urnmpf", "--mount-proc", "--kill-child", "bash", "-c", MADE, "bash"]
    command += [sys.executable, __file__, *sys.argv[1:]]
    raise SystemExit(subprocess.call(command, env={**os.environ, INSIDE: "1"}))


if __name__ == "__main__":
    main()
