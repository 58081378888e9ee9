"""Kill a run many times, resume each, and compare the bytes with an uninterrupted run.

    python bench/kill/kill_matrix.py [--instants 30] [--recipe momentum]

Two kinds of SIGKILL: at instants drawn over the length of a run, and before and after every rename,
fsync and deletion that the run makes (checkpoints, ledger, clients' files, adapters). Server,
clients, strategy and files are the real ones; Flower's processes are left out
(`tests/tiny/local_grid.py`), so that a run takes a second and the instants fall into the harness's
own work. `bench/kill/kill_run.py` kills the whole command instead, Ray and evaluation included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TINY = Path(__file__).resolve().parents[2] / "tests" / "tiny"
sys.path.insert(0, str(TINY))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import served  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402, F401  # loaded once, so that a forked run starts at once
from tiny_model import make_tiny_model  # noqa: E402
from tiny_run import TinyRun, tiny_run  # noqa: E402

from harness.document import sha256_file  # noqa: E402
from harness.training import trainer  # noqa: E402, F401

CALLS = ("replace", "fsync", "unlink")
"""Functions of `os` before and after which a run is killed."""


def in_child(work: Callable[[], object], kill_after_s: float | None = None) -> int:
    """Run `work` in a forked process; SIGKILL it after a while; return its wait status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # Flower logs every round
            work()
            code = 0
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def dying_at(call: str, number: int, after: bool, work: Callable[[], object]) -> None:
    """Do `work`, but die before (or after) the `number`-th call of `os.call`."""
    real, seen = getattr(os, call), 0

    def counted(*args: object, **kwargs: object) -> object:
        nonlocal seen
        seen += 1
        if seen == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, call, counted)
    work()


def print_of(folder: Path) -> tuple[str, str]:
    """Return (digest of the adapter, digests of the rounds)."""
    lines = (folder / "rounds.jsonl").read_text().splitlines()
    rounds = " ".join(json.loads(line)["digest"][:16] for line in lines)
    return sha256_file(folder / "adapter" / "adapter_model.safetensors"), rounds


def matrix(
    run: TinyRun, folder: Path, instants: int, seed: int, stride: int = 1
) -> tuple[int, int, list[str]]:
    """Kill and resume; return (kills, runs that had ended before their kill, differences)."""
    clean = folder / "clean"
    begin = time.monotonic()
    assert in_child(lambda: served.serve(run, clean)) == 0
    length = time.monotonic() - begin
    expected = print_of(clean)
    cases: list[tuple[str, Callable[[Path], int]]] = []
    draw = random.Random(seed)
    for _ in range(instants):
        after_s = draw.uniform(0.0, length)
        cases.append(
            (
                f"{after_s:.3f} s",
                lambda out, s=after_s: in_child(lambda: served.serve(run, out), s),
            )
        )
    for call in CALLS:
        for after in (False, True):
            for number in range(1, 100, stride):
                name = f"{'after' if after else 'before'} {call} {number}"
                cases.append(
                    (
                        name,
                        lambda out, c=call, n=number, a=after: in_child(
                            lambda: dying_at(c, n, a, lambda: served.serve(run, out))
                        ),
                    )
                )
    kills = late = 0
    differences = []
    finished: set[str] = set()
    for index, (name, work) in enumerate(cases):
        kind = name.rsplit(" ", 1)[0]
        if kind in finished:
            continue
        out = folder / f"run-{index}"
        status = work(out)
        if os.WIFSIGNALED(status):
            kills += 1
        else:
            late += 1
            if not name.endswith(" s"):
                finished.add(kind)  # fewer such calls than that: the row is complete
        if in_child(lambda out=out: served.serve(run, out)) != 0:
            differences.append(f"{name}: the resumed run failed")
        elif print_of(out) != expected:
            differences.append(f"{name}: other bytes")
        shutil.rmtree(out)
    return kills, late, differences


def main() -> None:
    """Print the matrix; exit with 1 when a resumed run differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instants", type=int, default=30)
    parser.add_argument("--recipe", default="momentum")
    parser.add_argument("--stride", type=int, default=1, help="Take every so many-th call.")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as name:
        folder = Path(name)
        model = make_tiny_model(folder / "model")
        run = tiny_run(model, chosen.recipe, supernodes=4)
        served.warm(run)
        kills, late, differences = matrix(run, folder, chosen.instants, chosen.seed, chosen.stride)
    print(
        f"{kills} SIGKILLs ({chosen.recipe}), {kills - len(differences)} resumed to the same bytes;"
        f" {late} runs had ended before their kill"
    )
    for line in differences:
        print(line)
    raise SystemExit(bool(differences))


if __name__ == "__main__":
    main()
