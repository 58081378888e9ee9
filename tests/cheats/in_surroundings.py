"""Cheats of the surroundings: what lies where one stands, what Python runs by itself, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cheat import cheat

TINY = Path(__file__).parents[1] / "tiny"
sys.path.insert(0, str(TINY.parent / "isolation"))
SECONDS = "seconds"
LOADED = "raise SystemExit('the decoy ran')\n"


def listed(folder: Path, **variables: str) -> str:
    """Call the command in a folder; return what the decoys there said."""
    program = Path(sys.executable).with_name("harness")
    done = subprocess.run(
        [program, "plugins"],
        cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 and "the decoy ran" not in done.stderr else done.stderr


def decoys(folder: Path, *names: str) -> Path:
    """Make a folder of packages that say that they were imported."""
    for name in names:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(LOADED)
    return folder


@cheat("packages `harness`, `numpy` in the current directory", "run", "not imported", SECONDS)
def decoys_where_one_stands(folder: Path) -> str:
    """The installed command would train with another loss."""
    return listed(decoys(folder, "harness", "click", "pluggy", "numpy")) or "not imported"


@cheat("packages `numpy`, `torch`, `flwr` by PYTHONPATH", "run", "not imported", SECONDS)
def decoys_by_pythonpath(folder: Path) -> str:
    """The command drops what it names before it imports anything of a run."""
    decoys(folder, "numpy", "torch", "flwr")
    return listed(Path("/"), PYTHONPATH=str(folder)) or "not imported"


@cheat("`pluggy` or `harness` itself by PYTHONPATH", "nothing", "", SECONDS)
def decoy_before_the_first_line(folder: Path) -> str:
    """Python imports them before any line that could refuse; whoever sets the variable is at the
    keyboard, and the processes that train and evaluate have no such variable."""
    decoys(folder, "pluggy")
    assert listed(Path("/"), PYTHONPATH=str(folder)) != ""
    return ""


@cheat(
    "a plugin that imports a module from a folder of its own",
    "run",
    "no digest of a plugin covers",
    SECONDS,
)
def foreign_module(folder: Path) -> str:
    """Its code would be in no digest."""
    from types import SimpleNamespace
    from unittest.mock import patch

    from harness.federation.clientapp.worker import Worker

    worker = Worker.__new__(Worker)
    worker._foreign = {}
    worker._compiled = "/nowhere"
    worker.run = SimpleNamespace(
        spec=SimpleNamespace(model=SimpleNamespace(trust_remote_code=False))
    )
    name = "harness.federation.clientapp.worker.foreign_modules"
    with patch(name, lambda: {"smuggled": str(folder)}):
        worker._refuse_foreign_modules()
    return ""


def appeared(folder: Path, name: str) -> str:
    """Let a file appear in a site folder while a run goes on, and start the evaluation."""
    sys.path.insert(0, str(TINY))
    from environment import environment_with

    from harness.processes.startup import found_by

    python = environment_with(folder / "environment")
    before = found_by(str(python))
    [site] = (folder / "environment" / "lib").glob("python*/site-packages")
    (site / name).write_text("import os\n")
    before.refuse_changes()
    return ""


@cheat(
    "a `.pth` file with code, dropped during the run", "run", "appeared after this command", SECONDS
)
def path_file(folder: Path) -> str:
    """Python would run it in the evaluator."""
    return appeared(folder, "evil.pth")


@cheat("`sitecustomize.py`, dropped during the run", "run", "appeared after this command", SECONDS)
def site_customization(folder: Path) -> str:
    """As before."""
    return appeared(folder, "sitecustomize.py")


@cheat("variables that lead Python to code, set by the plugin", "run", "not passed on", SECONDS)
def environment_variables(folder: Path) -> str:
    """The evaluator has an environment of its own."""
    from harness.evaluation.sealed.evaluator import sealed_environment

    evil = dict.fromkeys(("PYTHONPATH", "PYTHONHOME", "LD_PRELOAD", "HF_HOME"), "/evil")
    found = sealed_environment(evil, str(folder), 1)
    return str(found) if "/evil" in found.values() else "not passed on"


@cheat("a thread writes answers before the evaluator starts", "run", "generated again", SECONDS)
def answers_beforehand(folder: Path) -> str:
    """Rows that the evaluator did not write have no proof."""
    from harness.evaluation.journal import Journal
    from harness.evaluation.proof import Proof

    row = {"row": 0, "context": "a prompt", "output": " positive", "new_out": "positive"}
    for name in ("fpb.jsonl", "fpb.partial.jsonl"):
        (folder / name).write_text(json.dumps(row) + "\n")
    journal = Journal(folder, "fpb", ("a prompt",), Proof("0" * 64, "a run"))
    return "generated again" if journal.missing == [0] else ""


@cheat(
    "a module of the harness changed during the run", "run", "changed after this command", SECONDS
)
def changed_harness(folder: Path) -> str:
    """The evaluator would compute with it."""
    from harness.processes.startup import here

    found = here()
    name = next(iter(found.harness))
    found.with_values(harness=found.harness | {name: "0" * 64}).refuse_changes()
    return ""


def held_back(folder: Path, code: str) -> str:
    """Run code as a plugin's process runs; return what it said at its end."""
    import launch

    ended = launch.run(code, folder)
    if ended.held["missing"]:
        pytest.skip(f"this kernel cannot hold plugins back: {ended.held['missing']}")
    return ended.said


@cheat("a client reads the evaluation sets", "run", "Error", SECONDS)
def reading_evaluation_sets(folder: Path) -> str:
    """Where the kernel has Landlock; `--isolation required` refuses one that has not."""
    rows, own = folder / "validation.parquet", folder / "own"
    rows.write_bytes(b"rows")
    own.mkdir()
    return held_back(own, f"open({str(rows)!r}).read()")


@cheat(
    "a plugin writes the record, or the answers, of its run",
    "run",
    "Read-only file system",
    SECONDS,
)
def written_record(folder: Path) -> str:
    """It may write where checkpoints, adapter and logs go."""
    own = folder / "own"
    own.mkdir()
    return held_back(own, f"open({str(folder / 'result.json')!r}, 'w').write('{{}}')")


@cheat("a client asks a machine elsewhere to train", "run", "Error", SECONDS)
def training_elsewhere(folder: Path) -> str:
    """A network of its own, in which there is nobody."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        return held_back(folder, f"import socket; socket.create_connection({address!r}, 2)")


@cheat(
    "a client asks a container engine, or a desktop, to start a program, by its socket",
    "run", "Connection refused", SECONDS,
)  # fmt: skip
def asking_another_program(folder: Path) -> str:
    """Sockets with a path belong to no network; what they lead to is covered."""
    import socket

    path = str(folder / "engine.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        return held_back(folder, f"import socket; socket.socket(1).connect({path!r})")


@cheat(
    "a run leaves its adapter in shared memory for its repetition", "run", "No such file", SECONDS
)
def left_in_shared_memory(folder: Path) -> str:
    """It ends with the processes that had it."""
    path = f"/dev/shm/adapter-{os.getpid()}"
    held_back(folder, f"open({path!r}, 'w').close()")
    return held_back(folder, f"open({path!r}).read()")


@cheat(
    "a run leaves its adapter in the kernel's keys for its repetition",
    "run", "Operation not permitted", SECONDS,
)  # fmt: skip
def left_in_the_kernel_s_keys(folder: Path) -> str:
    """They would be there until the machine is started again."""
    code = (
        "import ctypes, os, platform\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "add = {'x86_64': 248, 'aarch64': 217}[platform.machine()]\n"
        "libc.syscall(add, b'user', b'adapter', b'x', 1, -2)\n"
        "print(os.strerror(ctypes.get_errno()))\n"
    )
    return held_back(folder, code)


@cheat("a process that forks twice into a session of its own", "run", "ended with the run", SECONDS)
def left_over_process(folder: Path) -> str:
    """It ends with the namespace of processes that it lives in."""
    code = (
        "import os, sys, time\n"
        "if os.fork(): time.sleep(0.5); sys.exit()\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "open('alive', 'w').close()\n"
        "while True: os.utime('alive'); time.sleep(0.05)\n"
    )
    held_back(folder, f"import os; os.chdir({str(folder)!r})\n{code}")
    last = (folder / "alive").stat().st_mtime_ns
    time.sleep(0.3)
    return "ended with the run" if (folder / "alive").stat().st_mtime_ns == last else ""
