"""The harness's side of the sandbox: finds out what the machine offers, and hands over jobs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from harness.boards.execution.languages import Language, SandboxJob
from harness.boards.execution.verdict import Isolation
from harness.boards.execution.view import view_of
from harness.errors import EvaluationError
from harness.kernel.bare import bare_python

Policy = Literal["required", "auto"]

FOLDER_BYTES = 512 * 2**20
FOLDER_FILES = 10_000
"""Bounds of a program's folder, where it is a file system of its own."""
ENDING_S = 120.0
"""How long after all its steps' limits a sandbox may take to end, on a loaded machine."""

_CANNOT = "the sandbox cannot be built: "
_ROOM = Path(__file__).parent


class Sandbox:
    """Runs jobs of one language, each in a sandbox of its own; a context manager.

    Args:
        language: whose files can be read inside.
        policy: "required" refuses a machine that cannot isolate a program completely; "auto" takes
            what there is, which is never less than limits, an empty folder and a process group.
        namespaces: False leaves out the strong form, to test the weaker one.

    Raises:
        EvaluationError: no sandbox can be started, or none that `policy` accepts.
    """

    isolation: Isolation

    def __init__(self, language: Language, policy: Policy, *, namespaces: bool = True) -> None:
        self._view = view_of(language.readable)
        self._mode = "namespaces"
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._why: tuple[str, ...] = ()
        self._count = 0
        path = dict.fromkeys([os.path.dirname(language.executable), "/usr/local/bin", "/usr/bin"])
        self._environment = {
            "PATH": ":".join([*path, "/bin"]),
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "NODE_OPTIONS": "--max-old-space-size=1536",
        }
        self._folder = Path(tempfile.mkdtemp(prefix="harness-execution-"))
        try:
            # Passable, not readable: a program's own folder below belongs to another user.
            self._folder.chmod(0o711)
            (self._folder / "root").mkdir()
            self.isolation = self._probe(language, policy, namespaces)
        except BaseException:
            _remove(self._folder)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        _remove(self._folder)

    def stop(self) -> None:
        """End every program that runs; later ones are refused."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.kill()

    def run(self, job: SandboxJob) -> list[dict[str, Any]]:
        """Run one job and return the results of its steps; for any thread.

        Raises:
            EvaluationError: the sandbox itself failed, which says nothing about the program.
        """
        facts, results = self._launch(job)
        if facts != self.isolation:
            raise EvaluationError(
                f"the sandbox changed between programs: {facts} after {self.isolation}; run again"
            )
        return results

    def _probe(self, language: Language, policy: Policy, namespaces: bool) -> Isolation:
        job = language.job(language.smallest)
        try:
            if not namespaces or sys.platform != "linux":
                raise EvaluationError("not tried")
            isolation, results = self._launch(job)
        except EvaluationError as error:
            self._why = (f"no namespaces: {str(error).removeprefix(_CANNOT)}",)
            self._mode = "plain"
            isolation, results = self._launch_plain(job)
        outcome, reason = language.read(results)
        if outcome != "passed":
            raise EvaluationError(
                f"{language.toolchain} does not run in the sandbox ({reason or outcome}): "
                f"{results[-1]['stderr'].strip()[-200:] or 'it says nothing'}"
            )
        if policy == "required" and not isolation.complete:
            raise EvaluationError(
                f"this machine cannot isolate programs: {'; '.join(isolation.missing)}; "
                "run on Linux from 5.13 on, or allow a weaker sandbox"
            )
        return isolation

    def _launch_plain(self, job: SandboxJob) -> tuple[Isolation, list[dict[str, Any]]]:
        try:
            return self._launch(job)
        except EvaluationError as error:
            advice = ""
            if "Permission denied" in str(error) and os.geteuid() == 0:
                advice = "; programs run as another user, who must be able to reach this path"
            raise EvaluationError(f"{error}{advice}; {self._why[0]}") from None

    def _launch(self, job: SandboxJob) -> tuple[Isolation, list[dict[str, Any]]]:
        with self._lock:
            self._count += 1
            folder = self._folder / f"program-{self._count}"
        given = {
            "mode": self._mode,
            "parent": os.getpid(),
            "root": str(self._folder / "root"),
            "folder": str(folder),
            "readable": self._view.readable,
            "links": self._view.links,
            "folder_bytes": FOLDER_BYTES,
            "folder_files": FOLDER_FILES,
            "environment": self._environment,
            "files": job.files,
            "steps": job.steps,
        }
        if self._mode == "plain":
            folder.mkdir(mode=0o700)
        try:
            text = self._talk(json.dumps(given).encode(), _longest(job))
        finally:
            if self._mode == "plain":
                _remove(folder)
        result = json.loads(text)
        facts = Isolation.model_validate(result["facts"])
        return facts.with_values(missing=(*self._why, *facts.missing)), result["steps"]

    def _talk(self, given: bytes, wall_s: float) -> bytes:
        command = bare_python("inside.launch", _ROOM)
        with self._lock:
            if self._stopped:
                raise EvaluationError("execution was stopped")
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={"LANG": "C.UTF-8"},
            )
            self._running.add(process)
        try:
            text, trouble = process.communicate(given, timeout=wall_s + ENDING_S)
        except subprocess.TimeoutExpired:
            raise EvaluationError(
                "a sandbox did not end in time; the machine is too busy"
            ) from None
        finally:
            # The first process takes all the others with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            with self._lock:
                self._running.discard(process)
        if process.returncode or not text:
            words = trouble.decode(errors="replace").strip().splitlines()
            last = words[-1] if words else f"exit code {process.returncode}"
            raise EvaluationError(f"{_CANNOT}{last}")
        return text


def _longest(job: SandboxJob) -> float:
    return sum(float(step["wall_s"] + step["patience_s"]) for step in job.steps)


def _remove(folder: Path) -> None:
    """Remove a folder that a program may have made unreadable."""
    for path, names, _ in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(path, name), stat.S_IRWXU, follow_symlinks=False)
    shutil.rmtree(folder, ignore_errors=True)
