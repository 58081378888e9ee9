"""Real SuperNodes with TLS and keys: the digests of a simulation, memory, and faults.

    python bench/deployment/supernodes.py [--supernodes 10] [--rounds 3] [--fault NAME]

Runs the tests' tiny recipe in this process, and through `harness up` on this machine; prints both
chains of digests and the memory of all processes of the deployment. Faults: `supernode` (SIGKILL to
one that trains), `worker` (SIGKILL to the process that trains), `superlink` (SIGKILL; started
again on its database), `caller` (SIGKILL to the caller; another goes on), `away` (a SuperNode
stopped for 75 s), `late` (the process that trains stopped for 60 s, where clients have 15), `twice`
(every answer is handed in twice).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "tiny"
sys.path.insert(0, str(TINY))

from environment import environment_with  # noqa: E402
from served import serve  # noqa: E402
from tiny_model import make_tiny_model  # noqa: E402
from tiny_run import TinyRun, tiny_run  # noqa: E402

from harness.document.units import MIB  # noqa: E402
from harness.federation.deployment.kept_alive import Kept  # noqa: E402
from harness.federation.deployment.plan import Deployment  # noqa: E402
from harness.federation.deployment.up import up  # noqa: E402
from harness.federation.simulation.client_processes import children_with  # noqa: E402
from harness.federation.storage.ledger import Ledger  # noqa: E402

CALLER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tiny_run import tiny_run
from harness.federation.engine import federate
from harness.federation.options import Options
count, rounds = int(sys.argv[3]), int(sys.argv[4])
run = tiny_run(Path(sys.argv[2]), supernodes=count, rounds=rounds, fraction=1.0)
options = Options(superlink=sys.argv[6], quiet=True, **json.loads(sys.argv[7]))
print(json.dumps([item.digest for item in federate(run.job, Path(sys.argv[5]), options).rounds]))
"""


TWICE = """
import sys
if "harness.federation.deployment.node_worker" in sys.orig_argv:
    from flwr.supernode.runtime import run_clientapp
    once = run_clientapp.push_message
    def push_message(*given):
        once(*given)
        try:
            once(*given)
            print("handed in twice", file=sys.stderr, flush=True)
        except Exception as error:
            print(f"the second is refused: {error}", file=sys.stderr, flush=True)
    run_clientapp.push_message = push_message
"""
"""Imported at the start of every Python of the environment."""

SHORT = {"client_timeout_s": 15.0, "grace_s": 5.0}
"""Options of a caller whose clients are to be late."""


class Caller:
    """`harness run --superlink DIR`, from the federation on, in a process of its own."""

    def __init__(
        self, python: Path, model: Path, run: TinyRun, out: Path, folder: Path, **options: object
    ) -> None:
        """Start it; the same run directory goes on with its run."""
        words = [str(TINY), str(model), str(run.challenge.num_supernodes)]
        words += [str(run.spec.train.rounds), str(out), str(folder), json.dumps(options)]
        self.out = out
        self.process = subprocess.Popen(
            [str(python), "-c", CALLER, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def await_rounds(self, count: int) -> None:
        """Wait until some rounds have come."""
        while self.process.poll() is None and len(Ledger(self.out).rounds) < count:
            time.sleep(0.2)

    def end(self) -> tuple[list[str], str]:
        """Return the digests, and what it said."""
        out, err = self.process.communicate()
        said = err.strip().splitlines()[-1:] or [""]
        return (json.loads(out) if out.strip() else []), said[0]


def memory(root: psutil.Process) -> tuple[int, dict[str, int]]:
    """Return resident bytes of all descendants of a process, and by program."""
    found: dict[str, int] = {}
    for process in root.children(recursive=True):
        try:
            name = " ".join(process.cmdline())
            held = process.memory_full_info().pss
        except psutil.Error:
            continue
        kinds = ["flower-superlink", "flower-supernode", "flower-superexec", "flwr-serverapp"]
        kind = next((item for item in (*kinds, "node_worker") if item in name), "other")
        found[kind] = found.get(kind, 0) + held
    return sum(found.values()), found


def fault(name: str, every: list[Kept], caller: Caller) -> None:
    """Do what the fault says, once the first round has come."""
    caller.await_rounds(1)
    nodes = [item for item in every if item.name.startswith("SuperNode")]
    print(f"{name}, after {len(Ledger(caller.out).rounds)} rounds", flush=True)
    if name == "supernode":
        for item in nodes[: len(nodes) // 2]:
            item.process.kill()  # type: ignore[union-attr]
    workers = children_with("node_worker")
    if name == "worker":
        for process in workers:
            process.kill()
    if name == "late":
        for process in workers:
            process.suspend()
        time.sleep(60)
        for process in workers:
            process.resume()
    if name == "superlink":
        every[0].process.kill()  # type: ignore[union-attr]
    if name == "caller":
        caller.process.kill()
    if name == "away":
        half = [item.process.pid for item in nodes[: len(nodes) // 2]]  # type: ignore[union-attr]
        for pid in half:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(75)
        for pid in half:
            os.kill(pid, signal.SIGCONT)


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--supernodes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=19700)
    parser.add_argument("--fault", default="")
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="supernodes-"))
    python = environment_with(place / "environment", TINY)
    if chosen.fault == "twice":
        [site] = (place / "environment" / "lib").glob("python*/site-packages")
        (site / "twice_fault.py").write_text(TWICE)
        (site / "twice.pth").write_text("import twice_fault\n")
    options = SHORT if chosen.fault == "late" else {}
    model = make_tiny_model(place / "mirror" / "models" / "tests" / "tiny")
    run = tiny_run(model, supernodes=chosen.supernodes, rounds=chosen.rounds, fraction=1.0)
    expected = serve(run, place / "plain").digests
    sys.executable = str(python)
    deployment = Deployment(
        supernodes=chosen.supernodes,
        port=chosen.port,
        first_runtime_port=chosen.port + 1,
        mirror=str(place / "mirror"),
    )
    folder, most, by_kind = place / "deployment", 0, {}
    begin = time.monotonic()
    with up(deployment, folder, print, threading.Event()) as every:
        print(f"up after {time.monotonic() - begin:.0f} s")
        caller = Caller(python, model, run, place / "run", folder, **options)
        over = threading.Event()

        def watch() -> None:
            nonlocal most, by_kind
            while not over.wait(2.0):
                now, kinds = memory(psutil.Process())
                if now > most:
                    most, by_kind = now, kinds

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        if chosen.fault:
            fault(chosen.fault, every, caller)
        found, said = caller.end()
        for session in range(2, 4):
            if found:
                break
            print(f"session {session - 1}: {said}")
            caller = Caller(python, model, run, place / "run", folder, **options)
            found, said = caller.end()
        over.set()
        thread.join()
    print(f"{'equal' if found == expected else 'NOT EQUAL'}: {[item[:12] for item in found]}")
    print(f"simulation without processes: {[item[:12] for item in expected]}")
    print(f"peak {most / MIB:.0f} MiB: " + str({k: round(v / MIB) for k, v in by_kind.items()}))
    attempts = [[client.attempts for client in item.clients] for item in Ledger(caller.out).rounds]
    print(f"attempts of each client, by round: {attempts}")
    if chosen.fault == "twice":
        print(set((folder / "logs" / "node.log").read_text().splitlines()[-3:]))
    print(f"took {time.monotonic() - begin:.0f} s; {said}; {place}")
    if found == expected:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
