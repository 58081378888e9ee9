"""A child that loads plugins: it is given a document, and answers with one or with an error."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.document import parse_document, parse_json
from harness.errors import HarnessError, PluginError, UsageError
from harness.isolation import grants
from harness.kernel.bare import bare_python
from harness.processes.carried_error import CarriedError
from harness.processes.import_paths import isolated
from harness.processes.lifetime import Guardian
from harness.processes.plain_looks import plain_environment
from harness.processes.signals import answering_signals
from harness.record.isolation import Held, Policy

ENDED_LIMIT_S = 5.0
"""Longest wait for a child that has closed its answer without one to say how it ended."""

STOP_LIMIT_S = 60.0
"""Longest time that a child which was asked to stop may take to end its own children."""

LONGEST_ANSWER_BYTES = 256 * 2**20
"""A plan's answer has a few kilobytes; one of a federation a few megabytes at most."""


HOMES = ("HOME", "XDG_CACHE_HOME", "HF_MODULES_CACHE")
"""Variables that name folders in which libraries keep what they make."""

SECRET = re.compile(".*(TOKEN|SECRET|PASSWORD|KEY).*|PIP_.*|.*_PROXY", re.IGNORECASE)
"""Variables that hold keys, or addresses with a password in them. What is held back reaches nobody
who would ask for them, and could write them into what is published."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """The place where a child that loads plugins runs, and what it is held back from.

    Attributes:
        folder: for its temporary files; deleted with it. Its path must be short: see
            `harness.library_internals.ray.ray_folder`.
        policy: what is asked of the machine.
        allowed: what it may read and write besides its Python environment and its folder.
        on_start: called with what holds it, before it loads anything.
    """

    folder: str
    policy: Policy = "auto"
    allowed: tuple[grants.Grant, ...] = ()
    on_start: Callable[[Held], None] = lambda held: None


def ask(
    module: str,
    given: str,
    around: Enclosure,
    otherwise: type[HarnessError] = PluginError,
    plugins: str = "plugins",
) -> str:
    """Run `python -m MODULE`, which answers by `harness.isolation.answering.answer`.

    Args:
        module: loads plugins.
        given: what it is to do, as JSON.
        around: where it runs.
        otherwise: class of the error where it ends without an answer.
        plugins: what it loads, for that error: `plugin zoo`.

    Returns:
        Its answer, as JSON.

    Raises:
        UsageError: the policy is `required`, and this machine cannot hold it.
        HarnessError: what the child raised.
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came; nothing of the child is left.
    """
    held, text, came, code = _talk(module, given, around)
    if came:
        raise KeyboardInterrupt
    process = f"the process that loads {plugins} ({module})"
    if held is None:
        raise otherwise(f"{process} did not start; see above")
    if around.policy == "required" and (held.missing or not held.complete):
        raise UsageError(
            "--isolation required: this machine cannot hold plugins back"
            f" ({'; '.join(held.missing)}); run where it can (Linux from 5.13 on with user"
            " namespaces), or with --isolation auto"
        )
    if not text:
        raise otherwise(f"{process} ended without an answer: {_ending(code)}")
    return _result(process, text, otherwise)


def _ending(code: int) -> str:
    """Say how a child ended, by the code of its launcher: 128 and the signal where one came, or
    the signal below zero where it came to the launcher."""
    number = -code if code < 0 else code - 128
    if number == signal.SIGKILL:
        return "it was killed, as where memory ran out or somebody ended it; free memory and go on"
    if number in set(signal.Signals):
        return f"{signal.Signals(number).name} ended it; what it said is above"
    return f"it ended itself with code {code}; what it said is above"


def _talk(module: str, given: str, around: Enclosure) -> tuple[Held | None, str, bool, int]:
    """Run the child; return what held it, its answer, whether a signal came, and its end."""
    reader, writer = os.pipe()
    plan = _written_plan(module, given, around, writer)
    # Some Pythons find their own library by it.
    libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    started: list[subprocess.Popen[bytes]] = []

    def stop() -> None:
        for child in started:
            child.terminate()

    with (
        open(reader, "rb", buffering=0) as answers,
        Guardian(around.folder, False) as guardian,
        # From before it starts: an interruption in between deletes the folder that it reads.
        answering_signals(stop) as came,
    ):
        process = subprocess.Popen(
            [*bare_python("harness.isolation.launcher"), str(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"LANG": "C.UTF-8"} | libraries,
            pass_fds=(writer,),
            # Ctrl-C in a terminal reaches a whole process group; here this process passes it on.
            start_new_session=True,
        )
        started.append(process)
        os.close(writer)
        guardian.guard(process.pid)
        with process:
            if came:
                stop()
            assert process.stdout is not None
            told = process.stdout.readline()
            where = "what the launcher says"
            held = parse_document(Held, parse_json(told.decode(), where), where) if told else None
            if held is not None:
                around.on_start(held)
            text = _read(answers, process, came)
            if not text and not came:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(ENDED_LIMIT_S)  # how it ended is all that can be said
            # Popen closes the child's standard input now, and its launcher ends what is left.
    return held, text, bool(came), process.returncode


def _written_plan(module: str, given: str, around: Enclosure, writer: int) -> Path:
    folder = Path(around.folder)
    (folder / "given.json").write_text(given, "utf-8")
    # The same whatever started this process: plugin code could tell a repetition from a run by it.
    variables = isolated(plain_environment(os.environ)) | {"TMPDIR": around.folder}
    if around.policy != "off":
        # What libraries look for at home cannot be read; here they find nothing, and may write.
        variables |= dict.fromkeys(HOMES, around.folder)
        variables = {name: value for name, value in variables.items() if not SECRET.match(name)}
    command = [sys.executable, "-I", "-m", module, str(folder / "given.json"), str(writer)]
    own = (*grants.writable(around.folder), *grants.environment(), *around.allowed)
    plan = {
        "command": command,
        "environment": variables,
        "folder": around.folder,
        "policy": around.policy,
        "allowed": own,
        "driver": os.path.exists(grants.DRIVER),
        "answer": writer,
    }
    path = folder / "plan.json"
    path.write_text(json.dumps(plan), "utf-8")
    return path


def _read(answers: IO[bytes], process: subprocess.Popen[bytes], came: list[int]) -> str:
    """Return what comes until the child closes its answer, or has been asked to stop for long."""
    parts: list[bytes] = []
    size, end = 0, None
    while size <= LONGEST_ANSWER_BYTES:
        if came and end is None:
            end = time.monotonic() + STOP_LIMIT_S
        if end is not None and time.monotonic() > end:
            process.kill()
        if select.select([answers], [], [], 0.5)[0]:
            data = answers.read(2**20)
            if not data:
                break
            parts.append(data)
            size += len(data)
    return b"".join(parts).decode(errors="replace")


def _result(process: str, text: str, otherwise: type[HarnessError]) -> str:
    """Return the result in an answer, as JSON, or raise the error in it."""
    value = parse_json(text, f"what {process} answers")
    if not isinstance(value, dict) or not {"result", "error"} & value.keys():
        raise otherwise(
            f"what {process} answers is neither a result nor an error: code in it changes what the"
            " harness does"
        )
    if "error" not in value:
        return json.dumps(value["result"])
    error = parse_document(CarriedError, value["error"], f"the error of {process}")
    if error.name == KeyboardInterrupt.__name__:
        raise KeyboardInterrupt
    kind = error.kind()
    if kind is None:
        sys.stderr.write(error.traceback)
        raise otherwise(f"{error.name}: {error.message}")
    raise kind(error.message)
