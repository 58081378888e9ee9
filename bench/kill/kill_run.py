"""Kill whole runs of `harness run` again and again, and compare what is left with a quiet run.

    python bench/kill/kill_run.py [--recipes momentum fedsa adam] [--seed 1] [--only weighed]

Everything is real: the command, Flower with Ray and 50 supernodes, the evaluating process; only the
model is tiny. Each run is killed fifteen times with SIGKILL, at the stages of `stages`, and resumed
each time. It must end with the same adapter, rounds and answers as one that nobody disturbed, no
process may outlive a kill by more than `PATIENCE_S`, and rows that were answered must stay.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

TINY = Path(__file__).resolve().parents[2] / "tests" / "tiny"
sys.path.insert(0, str(TINY))

from environment import environment_with  # noqa: E402
from tiny_model import make_tiny_model  # noqa: E402
from tiny_run import tiny_run  # noqa: E402

from harness.document import pretty_json, sha256_file, write_atomic  # noqa: E402

PYTHONS: list[Path] = []
"""The Python in whose environment the tiny plugin is installed, once it is made."""
PATIENCE_S = 20.0
Stage = tuple[str, Callable[[Path], bool], float]
"""(name, whether a run directory has come so far, seconds to wait then)."""


def stages(draw: random.Random) -> Iterator[Stage]:
    """Yield the moments of the kills, in the order in which a run comes to them."""
    yield "Ray starts", lambda out: (out / "logs").is_dir(), draw.uniform(0.5, 4.0)
    for number in (1, 2, 3):
        yield (
            f"clients of round {number} train",
            lambda out, n=number: _checkpoint(out, n - 1).is_file() and _rounds(out) == n - 1,
            draw.uniform(0.0, 0.6),
        )
        if number == 2:
            yield (
                "checkpoint 2 is there, its line is not",
                lambda out: _checkpoint(out, 2).is_file(),
                0.0,
            )
        else:
            yield (
                f"checkpoint {number} is being written",
                lambda out, n=number: (
                    any((out / "checkpoints").glob(f".round-{n:06}*"))
                    or _checkpoint(out, n).is_file()
                ),
                0.0,
            )
    yield "the adapter is being written", lambda out: (out / "adapter").is_dir(), 0.0
    yield "the evaluation loads", lambda out: (out / ".evaluation.lock").exists(), 1.0
    for low, high in ((1, 8), (9, 16), (17, 23)):
        rows = draw.randint(low, high)
        yield f"{rows} rows are answered", lambda out, n=rows: len(answers(out)) >= n, 0.0
    for low, high in ((1, 7), (8, 14), (15, 21)):
        rows = draw.randint(low, high)
        yield f"{rows} rows are weighed", lambda out, n=rows: len(answers(out, True)) >= n, 0.0


def answers(out: Path, weighed: bool = False) -> list[str]:
    """Return the answered rows so far, or those with log-likelihoods, as they stand in files."""
    files = sorted((out / "generations").glob("*.jsonl"))
    chosen = [file for file in files if (".loglikelihood" in file.name) is weighed]
    texts = [file.read_text("utf-8") for file in chosen if file.is_file()]
    return [line for text in texts for line in text.splitlines(keepends=True) if line[-1] == "\n"]


def _rounds(out: Path) -> int:
    ledger = out / "rounds.jsonl"
    return ledger.read_text().count("\n") if ledger.is_file() else 0


def _checkpoint(out: Path, number: int) -> Path:
    return out / "checkpoints" / f"round-{number:06}.safetensors"


def start(out: Path, mirror: Path) -> subprocess.Popen[bytes]:
    """Start `harness run --resume` on a run directory."""
    harness = [str(PYTHONS[0]), "-c", "from harness.cli import main; main()"]
    command = [*harness, "run", "--resume", str(out), "--mirror", str(mirror), "--quiet"]
    with (out.parent / f"{out.name}.log").open("ab") as log:
        return subprocess.Popen([*command, "--actors", "1"], stdout=log, stderr=log)


def prepare(out: Path, recipe: str, model: Path) -> None:
    """Make a run directory that has not begun."""
    spec = tiny_run(model, recipe, supernodes=50, fraction=0.1).spec
    write_atomic(out / "spec.json", pretty_json(spec.model_dump(mode="json")))


def print_of(out: Path) -> dict[str, str]:
    """Return file -> digest of everything that must repeat itself."""
    lines = [line.split('"digest":')[1][:66] for line in (out / "rounds.jsonl").open()]
    files = [out / "adapter" / "adapter_model.safetensors", *(out / "generations").glob("*.jsonl")]
    return {"rounds": " ".join(lines)} | {file.name: sha256_file(file) for file in files}


def disturb(out: Path, mirror: Path, draw: random.Random, only: str) -> tuple[int, list[str]]:
    """Kill a run at every stage whose name holds `only` and finish it; return (kills, what went
    wrong)."""
    kills, wrong = 0, []
    for name, reached, wait_s in stages(draw):
        if only not in name:
            continue
        child = start(out, mirror)
        while child.poll() is None and not reached(out):
            time.sleep(0.002)
        time.sleep(wait_s)
        family = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
        kills += child.poll() is None
        child.kill()
        child.wait()
        before = answers(out)
        _, alive = psutil.wait_procs(family, PATIENCE_S)
        wrong += [f"{name}: left {process.pid}" for process in alive]
        if len(answers(out)) < len(before):
            wrong.append(f"{name}: answered rows were lost")
        print(f"  {name}: {_rounds(out)} rounds, {len(before)} rows, killed", flush=True)
    if start(out, mirror).wait() != 0:
        wrong.append("the resumed run failed")
    return kills, wrong


def main() -> None:
    """Print each kill and the verdicts; exit with 1 when a run differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", nargs="+", default=["momentum", "fedsa", "adam"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="Stages whose name holds this, as `weighed`.")
    chosen = parser.parse_args()
    draw, total, failed = random.Random(chosen.seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="kill-run-") as name:
        PYTHONS.append(environment_with(Path(name) / "environment", TINY))
        mirror = Path(name) / "mirror"
        model = make_tiny_model(mirror / "models" / "tests" / "tiny")
        for recipe in chosen.recipes:
            clean, out = Path(name) / f"{recipe}-clean", Path(name) / recipe
            for folder in (clean, out):
                prepare(folder, recipe, model)
            if start(clean, mirror).wait() != 0:
                raise SystemExit((clean.parent / f"{clean.name}.log").read_text())
            print(recipe, flush=True)
            kills, wrong = disturb(out, mirror, draw, chosen.only)
            if not wrong and print_of(out) != print_of(clean):
                wrong = [f"{print_of(out)} instead of {print_of(clean)}"]
            total, failed = total + kills, failed + bool(wrong)
            print(f"  {kills} kills: {'; '.join(wrong) or 'the same bytes'}", flush=True)
            if wrong:
                print((out.parent / f"{out.name}.log").read_text(), flush=True)
            shutil.rmtree(out)
    print(f"{total} SIGKILLs in {len(chosen.recipes)} runs, {failed} runs differ")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
