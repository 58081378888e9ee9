"""A run from a random tiny model of each family, end to end: `python bench/families.py`.

The models (tests/tiny/odd_models.py: two layers, the family's odd sizes, windows, bounds and
biases; one that brings code of its own) lie in a temporary mirror, each under a hub id of its own,
and a recipe's file names the hub id alone. Each is planned, run, verified, filed and exported by
the commands that a participant types, from another folder. With `--data MIRROR` the training set
and the evaluation sets are the real ones and every row is answered, or the first `--rows N` of each
set; without it the run is a smoke run. Neither a smoke run nor one of some rows is filed.

One row a family: seconds by the clock and processor seconds (of all processes that were waited
for), what `verify` says, the bytes that were forecast and measured, whether the submission was
written and verified, and whether Flower builds the exported app.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

TINY = Path(__file__).resolve().parents[1] / "tests" / "tiny"
sys.path.insert(0, str(TINY))

from odd_models import (  # noqa: E402
    KINDS,
    OWN_CODE,
    UNKNOWN,
    make_odd_model,
    make_own_code_model,
)
from tiny_model import make_tiny_model  # noqa: E402

RECIPE = """\
title = "A random {kind}, one round"
challenge = "finance"
model = "tests/{kind}"
peft = {{name = "standard/dora", params = {{r = 3, alpha = 6, target_modules = "all-linear"}}}}
strategy = {{name = "standard/fedavg"}}
train = {{rounds = 2, fraction = 0.04, max_steps = 2, batch_size = 4, learning_rate_max = 1e-3}}
"""


@dataclass
class Row:
    """What became of one family."""

    family: str
    seconds: float = 0.0
    processor_s: float = 0.0
    verify: str = ""
    forecast_bytes: int = 0
    measured_bytes: int = -1
    submitted: str = ""
    exported: str = ""
    said: str = ""
    """The last line of the first command that failed."""


def widened(model: Path) -> None:
    """Give a Gemma 2 the window that its published ones have.

    What its upper layers read of a batch's pads would reach its answers through one of 24 tokens: a
    bounded score cannot be masked as the others are, and the harness refuses such a model.
    """
    path = model / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "sliding_window": 4096}))


def harness(*words: str, cwd: Path) -> tuple[int, str, str]:
    """Run the installed command; return its exit code, what it printed, and its last words."""
    command = [str(Path(sys.executable).with_name("harness")), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
    return done.returncode, done.stdout, last


def one(kind: str, folder: Path, mirror: Path, smoke: bool, rows: int | None) -> Row:
    """Run one family's model from its recipe to an app.

    Args:
        kind: `model_type` of its config.json.
        folder: where to work.
        mirror: where its model lies.
        smoke: on synthetic text, with the small model that a smoke run makes of the family.
        rows: how many rows of each set are answered; None: all.
    """
    row = Row(kind)
    (folder / "recipe.toml").write_text(RECIPE.format(kind=kind))
    asked = ["recipe.toml", "--mirror", str(mirror), *(["--smoke"] if smoke else [])]
    if rows is not None:
        asked += ["--limit", str(rows)]
    if kind == OWN_CODE:
        asked += ["--set", "model.trust_remote_code=true"]
    start, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    code, text, last = harness("plan", *asked, "--json", cwd=folder)
    if code == 0:
        row.forecast_bytes = json.loads(text)["communication"]["total_bytes"]
        code, _, last = harness("run", *asked, "--out", "run", "--quiet", cwd=folder)
    if code:
        row.said = last
    else:
        result = json.loads((folder / "run" / "result.json").read_text())
        row.measured_bytes = result["communication"]["bytes_total"]
        _, _, row.verify = harness("verify", "run", cwd=folder)
        row.submitted = "" if smoke or rows is not None else filed(folder)
        row.exported = exported(asked, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row.seconds = round(time.monotonic() - start, 1)
    row.processor_s = round(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime, 1)
    return row


def filed(folder: Path) -> str:
    """Return what `verify` says of the submission of a run, or why there is none."""
    words = ("--name", "entry", "--submissions", "filed", "--weights")
    code, _, last = harness("submit", "run", *words, cwd=folder)
    return last if code else harness("verify", "filed", cwd=folder)[2]


def exported(asked: list[str], folder: Path) -> str:
    """Return the name of the bundle that Flower builds of the app, or why there is none."""
    code, _, last = harness("export", "app", *asked, cwd=folder)
    if code:
        return last
    flwr = str(Path(sys.executable).with_name("flwr"))
    build = [flwr, "build", "--app", "app"]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    bundles = sorted(path.name for path in folder.glob("*.fab"))
    return bundles[0] if done.returncode == 0 and bundles else done.stdout[-200:]


def main() -> None:
    """Run the families that are asked for, print the table; exit 1 where one did not end well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "kinds", nargs="*", metavar="FAMILY", help=", ".join((*KINDS, *UNKNOWN, OWN_CODE))
    )
    parser.add_argument("--data", type=Path, help="A mirror with the board's data sets.")
    parser.add_argument("--rows", type=int, help="Answer so many rows of each set; not filed.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object a family.")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    bad = False
    with tempfile.TemporaryDirectory(prefix="families-") as scratch:
        root = Path(scratch)
        tokenizer = make_tiny_model(root / "tokenizer")
        mirror = root / "mirror"
        mirror.mkdir()
        if chosen.data is not None:
            (mirror / "datasets").symlink_to((chosen.data / "datasets").resolve())
        for kind in chosen.kinds or (*KINDS, *UNKNOWN, OWN_CODE):
            model = mirror / "models" / "tests" / kind
            if kind == OWN_CODE:
                make_own_code_model(tokenizer, model)
            else:
                make_odd_model(kind, tokenizer, model)
            if kind == "gemma2" and chosen.data is not None:
                widened(model)
            folder = root / kind
            folder.mkdir()
            row = one(kind, folder, mirror, smoke=chosen.data is None, rows=chosen.rows)
            same = row.forecast_bytes == row.measured_bytes
            bad |= not same or "clean" not in row.verify or not row.exported.endswith(".fab")
            if chosen.json:
                print(json.dumps(asdict(row)), flush=True)
            else:
                sizes = f"{row.forecast_bytes:,} forecast, {row.measured_bytes:,} measured"
                print(
                    f"{kind:<12} {row.seconds:6.1f} s ({row.processor_s:.1f} processor)  {sizes}"
                    f"  {row.verify} | {row.submitted} | {row.exported} {row.said}",
                    flush=True,
                )
    sys.exit(bad)


if __name__ == "__main__":
    main()
