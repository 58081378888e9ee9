"""A deployment by `harness up` and a whole `harness run --superlink` on it, as a user types them.

    python bench/deployment/whole_run.py [--supernodes 10] [--recipe smollm2-dora/code-135m]

Runs the recipe's smoke run on the deployment and by the simulation; prints whether rounds,
adapter and answers are equal, and the most memory (proportional set size) of the deployment's
processes and its caller together, looked at every two seconds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psutil

from harness.document import sha256_file
from harness.document.units import MIB
from harness.federation.storage.ledger import Ledger
from harness.federation.superlink.local_superlink import program

KINDS = (
    "flower-superlink", "flower-supernode", "flower-superexec", "flwr-serverapp", "node_worker",
    "harness run",
)  # fmt: skip


def memory(roots: list[psutil.Process]) -> dict[str, int]:
    """Return bytes of processes and all their descendants, by program."""
    found: dict[str, int] = {}
    for root in roots:
        try:
            every = [root, *root.children(recursive=True)]
        except psutil.Error:
            continue
        for process in every:
            try:
                line, held = " ".join(process.cmdline()), process.memory_full_info().pss
            except psutil.Error:
                continue
            kind = next((item for item in KINDS if item in line), "other")
            found[kind] = found.get(kind, 0) + held
    return found


def answers(path: Path) -> object:
    """Return what must be equal of a file: all, but the seconds that programs took."""
    if path.suffix != ".jsonl":
        return sha256_file(path)
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    for row in rows:
        row["attempts"] = [item["outcome"] for item in row.get("attempts", ())]
    return rows


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--supernodes", type=int, default=10)
    parser.add_argument("--recipe", default="smollm2-dora/code-135m")
    parser.add_argument("--port", type=int, default=19800)
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="whole-run-"))
    harness, folder = program("harness"), place / "deployment"
    words = [harness, "up", "--supernodes", str(chosen.supernodes), "--folder", str(folder)]
    words += ["--port", str(chosen.port), "--json"]
    begin = time.monotonic()
    up = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    roots, most = [psutil.Process(up.pid)], dict[str, int]()
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(2.0):
            now = memory(roots)
            if sum(now.values()) > sum(most.values()):
                most = now

    thread = threading.Thread(target=watch, daemon=True)
    try:
        assert up.stdout is not None
        assert up.stdout.readline(), "harness up ended"
        print(f"up after {time.monotonic() - begin:.0f} s", flush=True)
        thread.start()
        asked = [harness, "run", "--plugin", chosen.recipe, "--smoke", "--seed", "7", "--quiet"]
        begin = time.monotonic()
        there = place / "there"
        run = subprocess.Popen([*asked, "--superlink", str(folder), "--out", str(there)])
        roots.append(psutil.Process(run.pid))
        assert run.wait() == 0, "harness run --superlink failed"
        print(f"run on the deployment: {time.monotonic() - begin:.0f} s", flush=True)
    finally:
        over.set()
        up.terminate()
        up.wait()
    kinds = {kind: round(held / MIB) for kind, held in most.items()}
    print(f"peak {sum(most.values()) / MIB:.0f} MiB: {kinds}", flush=True)
    begin = time.monotonic()
    here = place / "here"
    subprocess.run([*asked, "--out", str(here)], check=True)
    print(f"run by the simulation: {time.monotonic() - begin:.0f} s")
    rounds = [[item.digest for item in Ledger(out).rounds] for out in (here, there)]
    names = ["adapter/adapter_model.safetensors"]
    names += sorted(str(path.relative_to(here)) for path in here.glob("generations/*.jsonl"))
    same = {name: answers(here / name) == answers(there / name) for name in names}
    print(f"rounds {'equal' if rounds[0] == rounds[1] else f'NOT EQUAL: {rounds}'}: {same}")
    subprocess.run([harness, "verify", str(there)], check=False)
    if rounds[0] == rounds[1] and all(same.values()):
        shutil.rmtree(place)
    else:
        print(place)


if __name__ == "__main__":
    main()
