"""`python -m harness.federation.deployment.register CONNECTION KEY...`: registers SuperNodes.

Calls Flower's own `flwr supernode register` for each public key, in one process. A key that has a
file beside it which says so has been registered before, and is passed over.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

DONE = ".registered"
"""Ends the name of the file beside a key that is registered."""


def register(connection: str, keys: list[Path]) -> None:
    """Register public keys, each under the name of its file.

    Args:
        connection: in Flower's configuration.
        keys: files of public keys.
    """
    from flwr.cli.app import app
    from typer.main import get_command

    command = get_command(app)
    for key in keys:
        done = key.with_suffix(DONE)
        if done.is_file():
            continue
        words = ["supernode", "register", str(key), connection, "--name", key.stem]
        with contextlib.redirect_stdout(io.StringIO()):
            command.main(args=words, standalone_mode=False)
        done.touch()


if __name__ == "__main__":
    register(sys.argv[1], [Path(item) for item in sys.argv[2:]])
