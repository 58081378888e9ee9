"""A small federation, four ways: each must give the same digests and the same adapter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TINY = Path(__file__).resolve().parents[1] / "tiny"
WEIGHTS = Path("adapter") / "adapter_model.safetensors"


def repeat_federation(folder: Path) -> int:
    """Run it in one go with one client process and with two, killed and resumed, and through a
    local SuperLink, each in fresh processes.

    Returns:
        0 when all are equal, else 1.
    """
    sys.path.insert(0, str(TINY))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from environment import environment_with
    from tiny_model import make_tiny_model
    from tiny_run import tiny_run

    from harness.document import sha256_file

    model = make_tiny_model(folder / "model")
    python = environment_with(folder / "environment", TINY)
    train = tiny_run(model, supernodes=4).spec.train
    print(f"a tiny model, {train.rounds} rounds of 2 of 4 clients, each way in fresh processes")
    ways = {
        "one client process": lambda: finish(start(python, model, folder / "0", actors=1)),
        "two client processes": lambda: finish(start(python, model, folder / "1", actors=2)),
        "killed and resumed": lambda: killed_and_resumed(python, model, folder / "2"),
        "local SuperLink": lambda: finish(
            start(python, model, folder / "3", actors=1, superlink="local")
        ),
    }
    expected: tuple[list[str], str, str] | None = None
    wrong = 0
    for number, (name, run) in enumerate(ways.items()):
        begin = time.monotonic()
        found = run()
        weights = sha256_file(folder / str(number) / WEIGHTS)
        given = (found["digests"], found["roster"], weights)
        expected = expected or given
        wrong += given != expected
        took = f"{time.monotonic() - begin:6.1f} s"
        print(f"  {name:<22}{took}  {verdict(given, expected, number == 0)}", flush=True)
    print(f"{len(ways) - wrong} of {len(ways)} equal, byte for byte")
    return min(wrong, 1)


def verdict(
    found: tuple[list[str], str, str], expected: tuple[list[str], str, str], first: bool
) -> str:
    """Say what was found, or where it first differs."""
    rounds, roster, weights = found
    if first:
        return f"rounds {' '.join(item[:12] for item in rounds)}, adapter {weights[:12]}"
    for number, (one, two) in enumerate(zip(rounds, expected[0], strict=False), start=1):
        if one != two:
            return f"DIFFERENT from round {number} on: {one[:12]}, expected {two[:12]}"
    if len(rounds) != len(expected[0]):
        return f"DIFFERENT: {len(rounds)} rounds, expected {len(expected[0])}"
    if weights != expected[2]:
        return f"DIFFERENT adapter: {weights[:12]}, expected {expected[2][:12]}"
    return "equal" if roster == expected[1] else f"DIFFERENT roster: {roster[:12]}"


def killed_and_resumed(python: Path, model: Path, out: Path) -> dict[str, Any]:
    """SIGKILL the run once a round is done, and finish it in another process."""
    child = start(python, model, out, actors=2)
    ledger = out / "rounds.jsonl"
    while child.poll() is None and not (ledger.is_file() and "\n" in ledger.read_text()):
        time.sleep(0.05)
    child.kill()
    child.communicate()
    if (out / WEIGHTS).is_file():
        raise SystemExit("the run ended before it could be killed; run the check again")
    return finish(start(python, model, out, actors=2))


def start(python: Path, model: Path, out: Path, **options: object) -> subprocess.Popen[str]:
    """Start the federation of the tiny plugin in a fresh process."""
    text = json.dumps({"quiet": True, **options})
    command = [str(python), str(TINY / "federate.py"), str(model), str(out), text]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a federation; a failed one ends this program."""
    output = process.communicate()[0]
    found: dict[str, Any] = json.loads(output) if output else {"error": "no output"}
    if "error" in found:
        raise SystemExit(f"the federation failed: {found['error']}: {found.get('message', '')}")
    return found
