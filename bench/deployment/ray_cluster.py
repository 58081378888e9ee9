"""A run on two nodes of a Ray cluster, each in a network of its own: digests, faults, bytes.

    python bench/deployment/ray_cluster.py [--fault NAME] [--rounds 4] [--recipe fedavg] [--mib 92]

Makes two network namespaces with a line between them (as an ordinary user: in a user namespace),
starts a raylet in each, runs the tests' tiny recipe in this process and on the cluster, and prints
both chains of digests. Faults: `node` (SIGKILL to the raylet of the other node, once the first
round has come), `model` (the other node has another model), `caller` (SIGKILL to the caller;
another resumes). `--mib` lets five clients, three of them on the other node, read one message of
that size, and prints what went over the line. At the end both raylets must live and no client must.
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

import psutil

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "tiny"
sys.path.insert(0, str(TINY))

from environment import environment_with  # noqa: E402
from served import serve  # noqa: E402
from tiny_model import make_tiny_model  # noqa: E402
from tiny_run import tiny_run  # noqa: E402

from harness.federation.storage.ledger import Ledger  # noqa: E402
from harness.library_internals.ray import ACTOR_TITLE  # noqa: E402

HERE, THERE = "10.77.0.1", "10.77.0.2"
PORT = 6399
INSIDE = "RAY_CLUSTER_BENCH"
"""Set in the environment of this script once it has a network of its own."""

NETWORKS = f"""
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
ip netns add there
ip link add line type veth peer name other
ip link set other netns there
ip addr add {HERE}/24 dev line
ip link set line up
ip netns exec there ip addr add {THERE}/24 dev other
ip netns exec there ip link set other up
ip netns exec there ip link set lo up
exec "$@"
"""

CALLER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tiny_run import tiny_run
from harness.federation.engine import federate
from harness.federation.options import Options
run = tiny_run(Path(sys.argv[2]), sys.argv[6], supernodes=6, rounds=int(sys.argv[3]))
options = Options(ray_address=sys.argv[5], client_timeout_s=120, grace_s=60)
outcome = federate(run.job, Path(sys.argv[4]), options)
print(json.dumps([[item.digest, [c.attempts for c in item.clients]] for item in outcome.rounds]))
"""

READERS = """
import os, sys, json, time
import numpy as np, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
from harness.federation.wire.names import STORE, SWITCH
from harness.federation.wire.shared_memory import outgoing_record
from harness.federation.wire.tensors import digest_arrays, to_record, to_tensors
os.environ[SWITCH] = STORE if sys.argv[3] == "stored" else ""
ray.init(sys.argv[1], log_to_driver=False)
def sent():
    [line] = [each for each in open("/proc/net/dev") if each.strip().startswith("line:")]
    return int(line.split()[9])
def read(record):
    from harness.federation.wire.tensors import digest_arrays, to_tensors
    return digest_arrays(to_tensors(record))
nodes = sorted(ray.nodes(), key=lambda node: node["NodeManagerAddress"])
on = [
    ray.remote(read).options(
        num_cpus=0, scheduling_strategy=On(nodes[k]["NodeID"], soft=False)
    )
    for k in (0, 0, 1, 1, 1)
]
small = to_record({"a": np.zeros(3, np.float32)})
ray.get([each.remote(small) for each in on])
values = np.random.default_rng(1).standard_normal(int(float(sys.argv[2]) * 2**18), np.float32)
record = outgoing_record(to_record({"a": values}))
begin, before = time.monotonic(), sent()
digests = ray.get([each.remote(record) for each in on])
took = time.monotonic() - begin
assert set(digests) == {digest_arrays({"a": values})}
print(f"{sys.argv[3]}: {(sent() - before) / 2**20:.0f} MiB over the line, {took:.1f} s")
"""


def raylet(python: Path, address: str, mirror: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a node of the cluster; the head is the one that is here."""
    code = "import sys; from ray.scripts.scripts import main; sys.exit(main())"
    command = [str(python), "-c", code, "start", "--block", "--disable-usage-stats"]
    command += [f"--node-ip-address={address}", "--num-cpus=2", "--num-gpus=0"]
    command += [f"--object-store-memory={600 * 2**20}"]
    if address == HERE:
        command += ["--head", f"--port={PORT}", f"--temp-dir={folder}"]
        command += ["--include-dashboard=false"]
    else:
        command = ["ip", "netns", "exec", "there", *command, f"--address={HERE}:{PORT}"]
    log = (folder.parent / f"raylet-{address}.log").open("wb")
    environment = {**os.environ, "HARNESS_MIRROR": str(mirror), "RAY_DISABLE_MEMORY_MONITOR": "1"}
    environment |= {"RAY_memory_monitor_refresh_ms": "0", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def raylet_of(node: subprocess.Popen[bytes]) -> psutil.Process | None:
    """Return the raylet among the processes of a node."""
    for process in psutil.Process(node.pid).children(recursive=True):
        if process.name() == "raylet":
            return process
    return None


def await_nodes(python: Path, count: int) -> None:
    """Wait until so many nodes are in the cluster."""
    code = f"import ray; ray.init('{HERE}:{PORT}', log_to_driver=False); print(len(ray.nodes()))"
    for _ in range(60):
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.stdout.strip().endswith(str(count)):
            return
        time.sleep(1)
    raise SystemExit(f"no cluster: {done.stderr[-800:]}")


class Caller:
    """`harness run --ray-address`, from the federation on, in a process of its own."""

    def __init__(self, python: Path, model: Path, out: Path, rounds: int, recipe: str) -> None:
        """Start it; the same run directory goes on with its run."""
        self.out = out
        words = [str(TINY), str(model), str(rounds), str(out), f"{HERE}:{PORT}", recipe]
        self.process = subprocess.Popen(
            [python, "-c", CALLER, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def await_rounds(self, count: int) -> None:
        """Wait until some rounds have come."""
        while self.process.poll() is None and len(Ledger(self.out).rounds) < count:
            time.sleep(0.05)

    def end(self) -> tuple[list[str], list[list[int]], str]:
        """Return the digests, the attempts, and what it said last."""
        out, err = self.process.communicate()
        said = err.strip().splitlines()[-1:] or [""]
        rounds = json.loads(out) if out.strip() else []
        return [item[0] for item in rounds], [item[1] for item in rounds], said[0]


def clients() -> list[psutil.Process]:
    """Return the client processes of this network namespace's user that live."""
    found = []
    for process in psutil.process_iter():
        try:
            if " ".join(process.cmdline()).startswith(ACTOR_TITLE):
                found.append(process)
        except psutil.Error:
            continue
    return found


def run_it(chosen: argparse.Namespace) -> bool:
    """Run what the arguments say, inside the two networks; return whether all was as it must."""
    place = Path(tempfile.mkdtemp(prefix="rc-", dir="/tmp"))
    python = environment_with(place / "environment", TINY)
    model = make_tiny_model(place / "mirror" / "models" / "tests" / "tiny")
    mirror = place / "mirror"
    if chosen.fault == "model":
        mirror = Path(shutil.copytree(mirror, place / "other"))
        file = mirror / "models" / "tests" / "tiny" / "tokenizer_config.json"
        file.write_text(file.read_text() + "\n")
    run = tiny_run(model, chosen.recipe, supernodes=6, rounds=chosen.rounds)
    expected = serve(run, place / "plain").digests
    head = raylet(python, HERE, place / "mirror", place / "ray")
    other = None
    good = True
    try:
        await_nodes(python, 1)
        other = raylet(python, THERE, mirror, place / "ray")
        await_nodes(python, 2)
        if chosen.mib:
            for kind in ("stored", "by value"):
                words = [f"{HERE}:{PORT}", str(chosen.mib), kind]
                subprocess.run([python, "-c", READERS, *words], check=True)
            return True
        begin = time.monotonic()
        caller = Caller(python, model, place / "run", chosen.rounds, chosen.recipe)
        if chosen.fault == "node":
            caller.await_rounds(1)
            lost = raylet_of(other)
            assert lost is not None
            lost.kill()
        if chosen.fault == "caller":
            caller.await_rounds(1)
            caller.process.kill()
            caller.process.wait()
            print(f"killed after {len(Ledger(place / 'run').rounds)} rounds")
            caller = Caller(python, model, place / "run", chosen.rounds, chosen.recipe)
        found, attempts, said = caller.end()
        took = time.monotonic() - begin
        if chosen.fault == "model":
            print(f"said: {said}")
            good = f"({THERE})" in said and not found
        else:
            good = found == expected
            print(f"{'equal' if good else 'NOT EQUAL'}: {[item[:12] for item in found]}; {said}")
            print(f"one node, no Ray:            {[item[:12] for item in expected]}")
            print(f"attempts of each client, by round: {attempts}")
        print(f"isolation on record: {(place / 'run' / 'isolation.json').read_text()}")
        time.sleep(2)
        left = [raylet_of(node) is not None for node in (head, other)]
        print(f"took {took:.0f} s; raylets that live: {left}; clients that live: {len(clients())}")
        good = good and left == [True, chosen.fault != "node"] and not clients()
        good = good and any((place / "ray").glob("session_*"))
    finally:
        for node in (other, head):
            if node is not None:
                for process in [*psutil.Process(node.pid).children(recursive=True)]:
                    process.kill()
                node.kill()
                node.wait()
    shutil.rmtree(place, ignore_errors=True)
    return good


def main() -> None:
    """Run this script again with networks of its own, and there what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fault", default="", choices=["", "node", "model", "caller"])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--recipe", default="fedavg")
    parser.add_argument("--mib", type=float, default=0)
    chosen = parser.parse_args()
    if os.environ.get(INSIDE):
        raise SystemExit(0 if run_it(chosen) else 1)
    command = ["unshare", "-Urnmpf", "--mount-proc", "--kill-child", "bash", "-c", NETWORKS, "bash"]
    command += [sys.executable, __file__, *sys.argv[1:]]
    raise SystemExit(subprocess.call(command, env={**os.environ, INSIDE: "1"}))


if __name__ == "__main__":
    main()
