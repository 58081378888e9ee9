"""`tox -e repro`: does a federation repeat itself, and does a submission?

python -m tests.repro                      a small federation, four ways, digests compared
python -m tests.repro PATH/result.json     a record, in an environment of its recorded versions
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "tiny"


def federation(folder: Path) -> int:
    """Run it in two fresh processes, one with 1 and one with 2 clients at a time, then killed and
    resumed, then on a local SuperLink; return the number of differences."""
    sys.path.insert(0, str(TINY))
    from tiny_model import make_tiny_model

    model = make_tiny_model(folder / "model")
    first = finish(start(model, folder / "one", actors=1))
    print(f"one process       {' '.join(item[:12] for item in first['digests'])}", flush=True)
    killed = start(model, folder / "killed", actors=2)
    ledger = folder / "killed" / "rounds.jsonl"
    while killed.poll() is None and not (ledger.is_file() and "\n" in ledger.read_text()):
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    others = {
        "two processes": finish(start(model, folder / "two", actors=2)),
        "killed, resumed": finish(start(model, folder / "killed", actors=2)),
        "local SuperLink": finish(start(model, folder / "link", actors=1, superlink="local")),
    }
    wrong = 0
    for name, found in others.items():
        same = found["digests"] == first["digests"] and found["roster"] == first["roster"]
        wrong += not same
        print(f"{name:<17} {'equal' if same else f'DIFFERENT: {found}'}", flush=True)
    weights = {
        (folder / name / "adapter" / "adapter_model.safetensors").read_bytes()
        for name in ("one", "two", "killed", "link")
    }
    print(f"adapters          {'equal' if len(weights) == 1 else 'DIFFERENT'}")
    return wrong + (len(weights) != 1)


def start(model: Path, out: Path, **options: object) -> subprocess.Popen[str]:
    """Start the federation of the tiny plugin in a fresh process."""
    text = json.dumps({"quiet": True, **options})
    command = [sys.executable, str(TINY / "federate.py"), str(model), str(out), text]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a federation; a failed one ends this program."""
    output = process.communicate()[0]
    found: dict[str, Any] = json.loads(output) if output else {"error": "no output"}
    if "error" in found:
        raise SystemExit(f"the federation failed: {found}")
    return found


def submission(path: Path, folder: Path, arguments: list[str]) -> int:
    """Reproduce a record where its recorded versions are installed; return the exit code."""
    record = json.loads(path.read_text("utf-8"))
    packages = dict(record["environment"]["packages"])
    harness = packages.pop("flowertune-harness", None)
    pins = folder / "recorded.txt"
    pins.write_text("".join(f"{name}=={version}\n" for name, version in sorted(packages.items())))
    python = record["environment"]["python"]
    here = ".".join(str(part) for part in sys.version_info[:3])
    if python != here:
        print(f"note: recorded with Python {python}, this is {here}")
    venv.create(folder / "env", with_pip=True)
    program = folder / "env" / "bin" / "python"
    ours = sorted((ROOT / "plugins").iterdir())
    # Without this checkout's constraints: the recorded versions are what is wanted.
    install = [str(program), "-m", "pip", "install", "-q", "-r", str(pins), f"{ROOT}[run]"]
    subprocess.run([*install, *(str(item) for item in ours)], check=True)
    version = subprocess.run(
        [str(program), "-c", "import harness; print(harness.__version__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
    ).stdout.strip()
    if version != harness:
        print(f"note: recorded with flowertune-harness {harness}, this is {version}")
    command = [str(program.with_name("harness")), "reproduce", str(path.resolve()), *arguments]
    return subprocess.run(command, check=False, cwd=folder).returncode


def main(arguments: list[str]) -> int:
    """Return 0 when everything is equal."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory(prefix="repro-") as name:
        if arguments:
            path = Path(arguments[0])
            path = path / "result.json" if path.is_dir() else path
            return submission(path, Path(name), arguments[1:])
        return min(federation(Path(name)), 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
