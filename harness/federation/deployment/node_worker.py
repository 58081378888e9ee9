"""`python -m harness.federation.deployment.node_worker SECRET ADDRESS...`: answers for SuperNodes.

One process takes the messages of all SuperNodes of a machine, one after another, and keeps base
model, tokenizer and tokenised partitions from one to the next. `harness node` starts as many as
the machine carries, and another for each that ends.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from harness.federation.simulation.environment import QUIET, WITHOUT_HUB
from harness.library_internals.flower_tasks import NodeTasks

POLL_S = 0.5
"""Pause after no SuperNode had a message."""


def answer(secret: bytes, addresses: list[str]) -> None:
    """Take messages until this process is ended.

    Args:
        secret: shared with the SuperNodes.
        addresses: of their Runtime APIs.
    """
    nodes = [NodeTasks(address, secret) for address in addresses]
    parent = os.getppid()
    while os.getppid() == parent:
        found = False
        for node in nodes:
            token = node.next_token()
            if token is None:
                continue
            found = True
            try:
                node.work(token)
            except Exception as error:  # the SuperNode is gone; the server asks again
                logging.getLogger("flwr").error("%s: %s", node.address, error)
        if not found:
            time.sleep(POLL_S)


if __name__ == "__main__":
    os.environ.update({name: value for name, value in QUIET.items() if name not in WITHOUT_HUB})
    answer(Path(sys.argv[1]).read_bytes(), sys.argv[2:])
