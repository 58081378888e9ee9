"""The other end of `plugin_process.ask`: a child reads what it is given and answers by value."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.processes.carried_error import CarriedError
from harness.processes.signals import answering_signals, interrupt


def answer(work: Callable[[str], Any]) -> None:
    """Do what the arguments of this process name: the path of a text, and where the answer goes.

    Args:
        work: (text) -> plain values.
    """
    given, number = Path(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(number, False)  # its reader waits for the last one who could write
    said: dict[str, Any]
    try:
        with answering_signals(interrupt):
            text = given.read_text("utf-8")
            given.unlink()  # it says how much of the run is asked for; no plugin is loaded yet
            said = {"result": work(text)}
    except BaseException as error:
        said = {"error": CarriedError.of(error).model_dump(mode="json")}
    with open(number, "wb") as answers:
        answers.write(json.dumps(said).encode())
