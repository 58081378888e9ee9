"""What a repetition and its children say reaches a terminal, and steers it in nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.processes.passed_on import Steered

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")

REPEATS = """
import os, subprocess, sys
from harness.processes.passed_on import pass_on
pass_on()
print("ours", os.isatty(1), os.get_terminal_size(2).columns, flush=True)
subprocess.run([sys.executable, "-I", "-c", sys.argv[1]], check=True)
print("\\r\\x1b[2K\\x1b[32mequal\\x1b[0m", file=sys.stderr)
"""


def shown(child: str) -> bytes:
    """Return what a terminal of 97 columns is sent by a process whose child says something."""
    import pty
    import termios
    import tty

    reader, writer = pty.openpty()
    tty.setraw(writer)
    termios.tcsetwinsize(writer, (24, 97))
    modes = termios.tcgetattr(writer)
    command = [sys.executable, "-c", REPEATS, child]
    with subprocess.Popen(command, stdout=writer, stderr=writer, start_new_session=True) as process:
        assert process.wait(60) == 0
    assert termios.tcgetattr(writer) == modes
    os.close(writer)
    with open(reader, "rb", buffering=0) as terminal:
        return terminal.read(65_536)


HOSTILE = {
    "hides what comes later": "\\x1b[8m",
    "writes over what was said": "\\x1b[5A",
    "puts a command into the clipboard": "\\x1b]52;c;cm0gLXJm\\x07",
    "the same in one character": "\\x9b8m",
    "takes another alphabet": "\\x0e",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_child_steers_no_terminal(what: str) -> None:
    said = shown(f"import sys; sys.stderr.write('a{HOSTILE[what]}é→b\\n')")
    assert said.startswith(b"ours True 97\n")
    assert "é→b\n".encode() in said
    assert said.endswith(b"\r\x1b[2K\x1b[32mequal\x1b[0m\n")
    rest = said.replace(b"\x1b[2K", b"").replace(b"\x1b[32m", b"").replace(b"\x1b[0m", b"")
    assert rest.decode().replace("\n", "").replace("\r", "").isprintable()


def test_a_child_changes_no_mode_of_a_terminal() -> None:
    shown("import tty; tty.setcbreak(2)")


def test_a_sequence_in_two_parts_is_one() -> None:
    whole = b"\x1b[31mred\x1b[0m \x1b[2K\x1b[8m\xc2\x9b \xc3\xa9\x1b"
    for at in range(len(whole) + 1):
        left = Steered()
        parts = [left(part) for part in (whole[:at], whole[at:], b"")]
        assert b"".join(parts) == b"\x1b[31mred\x1b[0m \x1b[2K?[8m? \xc3\xa9?", at


def test_output_that_cannot_be_written_holds_no_writer_up(tmp_path: Path) -> None:
    """A log on a full disk."""
    code = """
import resource, sys
from harness.processes.passed_on import pass_on
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
pass_on()
for _ in range(100):
    sys.stderr.write("x" * 10_000)
"""
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run([sys.executable, "-c", code], stderr=log, timeout=60, check=False)
    assert done.returncode == 0
    assert (tmp_path / "log").stat().st_size == 1000
