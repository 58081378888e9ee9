"""Whatever a program does, its own verdict says so, the others stand, and nothing is left over."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_programs import GOOD, HOSTILE, Hostile
from traces import Traces, mark_sandboxes

from harness.boards.execution import attempts, languages
from harness.boards.execution.attempts import execute
from harness.boards.execution.sandbox import Sandbox
from harness.boards.execution.verdict import Execution

ROOT = Path(__file__).resolve().parents[3]
NEEDS = {"python": sys.executable, "javascript": "node", "cpp": "g++"}

ORDINARY: dict[str, Any] = (
    {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
)
"""What starts a process as an ordinary user."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox's strong forms are Linux's")


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a mark that this test's sandboxes bear, and no other's."""
    text = secrets.token_hex(8)
    monkeypatch.setattr(Sandbox, "_launch", mark_sandboxes(text))
    return text


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test a temporary folder in which only its own sandboxes are.

    Not pytest's: every other run of pytest closes the folder above all of those to other users.
    Its own is asked for all the same, so that pytest does not make it inside of this one.
    """
    assert tmp_path.is_dir()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[dict[str, object]]:
    """Return what the hostile programs aim at; fail if one of them got there."""
    secret = tmp_path / "secret"
    secret.write_text("not for programs")
    folders = [str(ROOT), str(Path.home()), "/tmp", "/usr", "/etc", "/dev/shm", str(tmp_path)]
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as near:
        port = listener.getsockname()[1]
        near.bind(f"\0harness-{port}")
        near.listen()
        yield {
            "secret": secret,
            "port": port,
            "writable": folders,
            "writable_cpp": json.dumps(folders).replace("[", "{").replace("]", "}"),
            "harness": os.getpid(),
        }
        for one in (listener, near):
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.accept()
    assert not [folder for folder in folders if (Path(folder) / "planted").exists()]


def batch(hostile: list[Hostile], good: str, surroundings: dict[str, object]) -> list[str]:
    """Return the hostile programs with good ones between them."""
    texts = []
    for one in hostile:
        texts += [one.text.format(**surroundings), good]
    return texts


def quick(language: str) -> list[Hostile]:
    """Return the hostile programs that end by themselves."""
    return [one for one in HOSTILE[language] if not one.waits]


def check(hostile: list[Hostile], verdicts: list[str]) -> None:
    """Fail if a hostile program has a verdict that it may not have, or a good one not passed."""
    assert verdicts[1::2] == ["passed"] * len(hostile)
    wrong = {
        one.name: verdict
        for one, verdict in zip(hostile, verdicts[::2], strict=True)
        if not verdict.startswith(one.allowed)
    }
    assert not wrong


def run(language: str, programs: list[str], mark: str, namespaces: bool = True) -> Execution:
    """Execute with nothing left over."""
    if shutil.which(NEEDS[language]) is None:
        pytest.skip(f"no {NEEDS[language]} on PATH")
    before = Traces.now(mark)
    done = execute(programs, language, policy="auto", namespaces=namespaces)
    assert Traces.left_since(before) == []
    return done


@pytest.mark.parametrize("language", sorted(HOSTILE))
def test_every_program_gets_its_own_verdict_and_nothing_is_left_over(
    language: str, surroundings: dict[str, object], mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _shorter_limits(monkeypatch)
    hostile = HOSTILE[language]
    done = run(language, batch(hostile, GOOD[language], surroundings), mark)
    check(hostile, [str(verdict) for verdict in done.verdicts])


@linux
@pytest.mark.parametrize("language", ["javascript", "cpp"])
def test_the_same_holds_without_namespaces(
    language: str, surroundings: dict[str, object], mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _shorter_limits(monkeypatch)
    hostile = quick(language)
    done = run(language, batch(hostile, GOOD[language], surroundings), mark, namespaces=False)
    assert done.isolation.files != "own view"
    if not done.isolation.complete:
        pytest.skip(f"this kernel has no Landlock or filter: {done.isolation.missing}")
    check(hostile, [str(verdict) for verdict in done.verdicts])


@linux
@pytest.mark.parametrize("namespaces", [True, False])
def test_the_same_holds_for_an_ordinary_user(
    namespaces: bool, surroundings: dict[str, object], mark: str
) -> None:
    python = _python_of_everyone()
    before = Traces.now(mark)
    hostile = quick("python")
    texts = batch(hostile, GOOD["python"], surroundings)
    job = {"programs": texts, "namespaces": namespaces, "mark": mark}
    done = subprocess.run(
        [*python, str(Path(__file__).with_name("as_ordinary_user.py"))],
        input=json.dumps({"path": [str(ROOT), str(Path(__file__).parent), *_packages()], **job}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd="/",
        **ORDINARY,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert Traces.left_since(before) == []
    assert result["isolation"]["user"] in ("user namespace", "the caller's")
    check(hostile, result["verdicts"])


def _shorter_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what is only waited for: programs here need far less or would never end."""
    monkeypatch.setattr(languages, "PYTHON_WALL_S", 1.0)
    monkeypatch.setattr(languages, "PYTHON_GRACE_S", 1.0)
    monkeypatch.setattr(languages, "JAVASCRIPT_WALL_S", 2.0)
    monkeypatch.setattr(languages, "CPP_WALL_S", 2.0)
    monkeypatch.setattr(languages, "PATIENCE", 10)
    # None of them includes the header that would be compiled.
    monkeypatch.setattr(attempts, "WORTH_PRECOMPILING", 1000)


def _packages() -> list[str]:
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


def _python_of_everyone() -> list[str]:
    """Return a command for a Python of this version that runs as an ordinary user, or skip."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    probe = (
        f"import sys; sys.path[:0] = {[str(ROOT), *_packages()]!r}; import pydantic_core, pluggy"
    )
    for python in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        command = [python, "-I", "-B"]
        with contextlib.suppress(PermissionError, FileNotFoundError, subprocess.SubprocessError):
            subprocess.run(
                [*command, "-c", probe], capture_output=True, check=True, cwd="/", **ORDINARY
            )
            return command
    pytest.skip(f"no {name} that an ordinary user can run")
