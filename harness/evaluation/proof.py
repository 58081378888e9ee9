"""What shows that a kept row was written by an evaluation of this run, and by nobody else.

Each line that an evaluating process keeps carries a code (HMAC-SHA256) over the line, the file's
name and the digest of what rows depend on. The key is made by the process that asks for the
evaluation, once no plugin of the run is at work any more, and reaches the evaluating process
through a pipe. It stays in the run directory, readable by its owner alone, so that an evaluation
goes on after SIGKILL: from then on no process of the run loads a plugin. A federation that ends
always makes another key: rows that lay there before prove nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

KEY_FILE = ".evaluation.key"
KEY_BYTES = 32
SEAL = ', "proof": "'
"""Between a line and its code, in place of the closing brace."""
HEX_KEY = re.compile(r"[0-9a-f]{64}")


class Proof:
    """Codes of one evaluation."""

    def __init__(self, key: str, about: str) -> None:
        """Take the key.

        Args:
            key: hex, as `new_key` returns it.
            about: digest of what the rows depend on.
        """
        self._key, self.about = bytes.fromhex(key), about

    def of(self, name: str, text: str) -> str:
        """Return the code of a text in the file `name`, in hex."""
        message = f"{self.about}\n{name}\n{text}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def holds(self, name: str, text: str, code: str) -> bool:
        """Whether a code is that of the text, compared in constant time."""
        return hmac.compare_digest(self.of(name, text).encode(), code.encode())

    def sealed(self, name: str, line: str) -> str:
        """Return a JSON object's line with its code as the last key."""
        return f'{line[:-1]}{SEAL}{self.of(name, line)}"}}'

    def opened(self, name: str, line: str) -> str | None:
        """Return the line that was sealed; None where the code is not ours."""
        body, seal, code = line.rpartition(SEAL)
        text = f"{body}}}"
        return text if seal and self.holds(name, text, code.removesuffix('"}')) else None


def new_key(folder: Path) -> str:
    """Make the key of an evaluation in `folder`, in place of any that lies there; return it."""
    key = secrets.token_hex(KEY_BYTES)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / KEY_FILE
    path.unlink(missing_ok=True)  # a link that was laid there is not followed
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return key


def kept_key(folder: Path) -> str:
    """Return the key that an earlier session made in `folder`; a new one where none is there."""
    path = folder / KEY_FILE
    if path.is_file() and not path.is_symlink():
        text = path.read_text("ascii", errors="replace")
        if HEX_KEY.fullmatch(text):
            return text
    return new_key(folder)
