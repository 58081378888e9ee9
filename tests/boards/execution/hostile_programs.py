"""Programs that a model could have written, and what must become of each.

`{secret}`, `{port}`, `{writable}` and `{harness}` are filled in by the test: a file that only the
harness may read, a port that it listens on, folders that it may write, and its process id.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hostile:
    """A program, and the beginning of the verdicts that it may have."""

    name: str
    text: str
    allowed: tuple[str, ...]

    @property
    def waits(self) -> bool:
        """Return whether it runs until a limit of time or memory ends it, twice."""
        return any(one in ("timed out", "failed: used more than") for one in self.allowed)


GOOD = {
    "python": "def double(n):\n    return 2 * n\n\nassert double(2) == 4",
    "javascript": "const assert = require('node:assert');\nassert.deepEqual(2 * 2, 4);",
    "cpp": "#include <cassert>\nint main() { assert(2 * 2 == 4); }",
}
"""What stands between the hostile ones, and must pass."""

PYTHON = [
    Hostile("fails", "assert 1 + 1 == 3", ("failed: AssertionError",)),
    Hostile("does not parse", "def f(:", ("failed: SyntaxError",)),
    Hostile("exits", "import sys\nsys.exit(0)", ("failed: SystemExit",)),
    Hostile("exit is gone", "exit()", ("failed: TypeError",)),
    Hostile("is no main program", "assert __name__ != '__main__'", ("passed",)),
    Hostile("reads standard input", "input()", ("failed: OSError",)),
    Hostile("lacks a module", "import no_such_module", ("failed: ModuleNotFoundError: no_such",)),
    Hostile("prints for ever", "while True: print('x' * 10**6)", ("failed: printed too much",)),
    Hostile(
        "prints for ever past the guard",
        "import posix\nwhile True: posix.write(1, b'x' * 65536)",
        ("failed: printed too much",),
    ),
    Hostile(
        "swallows the end of its output",
        "for _ in range(200):\n    try: print('x' * 10**6)\n    except BaseException: pass",
        ("failed: printed too much",),
    ),
    Hostile(
        "forks for ever",
        "import posix, time\nwhile True:\n    if posix.fork() == 0: time.sleep(600)",
        ("failed: BlockingIOError",),
    ),
    Hostile(
        "forks and forks",
        "import posix\nwhile True:\n    try: posix.fork()\n    except OSError: pass",
        ("timed out", "failed: used more than"),
    ),
    Hostile(
        "leaves a daemon",
        "import posix, time\n"
        "if posix.fork() == 0:\n"
        "    posix.setsid()\n"
        "    if posix.fork() == 0: time.sleep(600)\n"
        "    posix._exit(0)\n"
        "time.sleep(0.2)",
        ("passed",),
    ),
    Hostile("sleeps", "import time\ntime.sleep(600)", ("timed out",)),
    Hostile(
        "swallows its alarm",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        ("timed out",),
    ),
    Hostile(
        "fills the memory",
        "kept = []\nwhile True: kept.append(b'x' * 10**7)",
        ("failed: used more than", "failed: MemoryError", "timed out"),
    ),
    Hostile(
        "fills the disk",
        "with open('big', 'wb') as file:\n    while True: file.write(b'x' * 10**7)",
        ("failed: OSError",),
    ),
    Hostile(
        "fills memory that is nobody's",
        "import ctypes, posix\n"
        "libc = ctypes.CDLL(None)\n"
        "for make in (lambda: posix.memfd_create('x'), lambda: libc.shmget(0, 1 << 20, 0o1600)):\n"
        "    try: assert make() < 0\n"
        "    except OSError: pass\n"
        "assert libc.unshare(0x10020000) < 0",
        ("passed",),
    ),
    Hostile(
        "leaves something in the kernel's keys",
        "import ctypes, platform\n"
        "add = {{'x86_64': 248, 'aarch64': 217}}[platform.machine()]\n"
        "assert ctypes.CDLL(None).syscall(add, b'user', b'a', b'b', 1, -4) < 0",
        ("passed",),
    ),
    Hostile(
        "asks the machine's host",
        "import socket\nsocket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
        ("failed: PermissionError",),
    ),
    Hostile(
        "asks for a ring, which opens sockets that no filter sees",
        "import ctypes\n"
        "assert ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(120)) < 0",
        ("passed",),
    ),
    Hostile(
        "deletes its folder",
        "import posix\n"
        "open('a', 'w').close()\n"
        "for name in posix.listdir('.'): posix.unlink(name)\n"
        "posix.rmdir(posix.getcwd())",
        ("failed: OSError", "failed: PermissionError"),
    ),
    Hostile(
        "writes elsewhere",
        "import posix\n"
        "for folder in {writable}:\n"
        "    for act in (lambda: open(folder + '/planted', 'w'),\n"
        "                lambda: posix.mkdir(folder + '/planted')):\n"
        "        try: act()\n"
        "        except OSError: continue\n"
        "        assert False, folder",
        ("passed",),
    ),
    Hostile(
        "reads a secret",
        "import posix\n"
        "for path in ('{secret}', '/proc/{harness}/environ', '/etc/shadow'):\n"
        "    for act in (open, posix.listdir):\n"
        "        try: act(path)\n"
        "        except OSError: continue\n"
        "        assert False, path",
        ("passed",),
    ),
    Hostile(
        "opens a socket",
        "import socket\n"
        "for family, address in ((socket.AF_INET, ('127.0.0.1', {port})),\n"
        "                        (socket.AF_UNIX, '\\0harness-{port}')):\n"
        "    try: socket.socket(family).connect(address)\n"
        "    except OSError: continue\n"
        "    assert False",
        ("passed",),
    ),
    Hostile(
        "kills the harness",
        "import posix\nfor pid in ({harness}, posix.getppid(), -1):\n"
        "    try: posix.kill(pid, 9)\n    except OSError: pass",
        ("passed", "failed: ended without"),
    ),
    Hostile("leaves early", "import os\nos._exit(0)", ("failed: ended without finishing",)),
    Hostile(
        "writes its verdict everywhere",
        "import posix\n"
        "for number in range(256):\n"
        "    try: posix.write(number, b'passed\\n')\n"
        "    except OSError: pass\n"
        "posix._exit(0)",
        ("failed: ended without finishing",),
    ),
    Hostile(
        "changes what exceptions are",
        "import builtins, json, os, posix\n"
        "builtins.BaseException = builtins.AssertionError = KeyError\n"
        "json.dumps = lambda value: '\"passed\"'\n"
        "os.write = lambda number, text: posix.write(number, b'passed\\n')\n"
        "raise ValueError",
        ("failed: ",),
    ),
    Hostile(
        "changes its runner",
        "import __main__\n"
        "__main__.reason_of = lambda error: 'passed'\n"
        "__main__.TimeIsUpError = KeyError\n"
        "assert False",
        ("failed: ",),
    ),
]

JAVASCRIPT = [
    Hostile("fails", "require('node:assert').deepEqual(1, 2);", ("failed: AssertionError",)),
    Hostile("does not parse", "function (", ("failed: SyntaxError",)),
    Hostile("exits with a code", "process.exit(3);", ("failed: exit code 3",)),
    Hostile(
        "reads standard input",
        "if (require('fs').readFileSync(0).length !== 0) process.exit(1);",
        ("passed",),
    ),
    Hostile(
        "prints for ever",
        "const line = 'x'.repeat(1e6); while (true) require('fs').writeSync(1, line);",
        ("failed: printed too much",),
    ),
    Hostile(
        "leaves a daemon",
        "require('child_process').spawn('sleep', ['600'], "
        "{{detached: true, stdio: 'ignore'}}).unref();",
        ("passed",),
    ),
    Hostile("never ends", "while (true);", ("timed out",)),
    Hostile(
        "fills the memory",
        "const kept = []; while (true) kept.push(Buffer.alloc(1e7, 1));",
        ("failed: used more than", "failed: RangeError", "failed: signal", "timed out"),
    ),
    Hostile(
        "writes elsewhere",
        "for (const folder of {writable}) {{\n"
        "  try {{ require('fs').writeFileSync(folder + '/planted', 'x'); }} catch {{ continue; }}\n"
        "  process.exit(1);\n"
        "}}",
        ("passed",),
    ),
    Hostile(
        "opens a socket",
        "const socket = require('net').connect({port}, '127.0.0.1');\n"
        "socket.on('connect', () => process.exit(0));\n"
        "socket.on('error', () => process.exit(9));",
        ("failed: exit code 9",),
    ),
    Hostile(
        "kills the harness",
        "for (const pid of [{harness}, process.ppid, -1])\n"
        "  try {{ process.kill(pid, 'SIGKILL'); }} catch {{ }}",
        ("passed", "failed: "),
    ),
]

CPP = [
    Hostile("fails", "#include <cassert>\nint main() {{ assert(false); }}", ("failed: signal 6",)),
    Hostile(
        "does not compile", "int main() {{ return x; }}", ("failed: does not compile: ‘x’ was not",)
    ),
    Hostile("returns a code", "int main() {{ return 3; }}", ("failed: exit code 3",)),
    Hostile("includes a secret", '#include "{secret}"\nint main() {{}}', ("failed: does not",)),
    Hostile(
        "fills the disk while it compiles",
        "char big[1ull << 33] = {{1}};\nint main() {{}}",
        ("failed: does not compile", "failed: used more than"),
    ),
    Hostile(
        "forks for ever",
        "#include <unistd.h>\nint main() {{ while (true) fork(); }}",
        ("timed out", "failed: used more than"),
    ),
    Hostile(
        "leaves a daemon",
        "#include <unistd.h>\n"
        "int main() {{ if (fork() == 0) {{ setsid(); if (fork() == 0) sleep(600); }} }}",
        ("passed",),
    ),
    Hostile(
        "writes elsewhere",
        "#include <fstream>\n#include <string>\n"
        "int main() {{ for (auto folder : std::initializer_list<std::string>{writable_cpp})\n"
        '  if (std::ofstream(folder + "/planted")) return 1; }}',
        ("passed",),
    ),
    Hostile(
        "prints for ever",
        '#include <cstdio>\nint main() {{ while (true) puts("a line of text"); }}',
        ("failed: printed too much",),
    ),
]

HOSTILE = {"python": PYTHON, "javascript": JAVASCRIPT, "cpp": CPP}
