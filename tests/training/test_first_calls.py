"""No vector function of MKL is called by several threads before it was called by one."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.processes.numeric_threads import VECTOR_FUNCTIONS, use_threads

HARNESS = Path(__file__).resolve().parents[2] / "harness"

MAY_SET_THREADS = {"processes/numeric_threads.py", "evaluation/decoder/threads.py"}
"""The second is reached in a process that has used the first."""


class Heard(TorchDispatchMode):
    """Hears which of torch's vector functions are called with one value, and which before that."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.settled: set[str] = set()
        self.too_early: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__.rstrip("_")
        if name in VECTOR_FUNCTIONS:
            if args[0].numel() == 1:
                self.settled.add(name)
            elif name not in self.settled:
                self.too_early.add(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dora", [False, True])
def test_a_client_trains_with_functions_that_were_called_before(
    make_trainer: Callable[..., Any], dora: bool
) -> None:
    with Heard() as heard:
        trainer = make_trainer("dora" if dora else "lora")
        trainer.train(trainer.initial(), 1, 0)
    assert {"cos", "sin", "sqrt"} <= heard.settled
    assert not heard.too_early


def test_a_function_that_nobody_called_before_is_heard() -> None:
    with Heard() as heard:
        torch.ones(2).cos()
        use_threads(torch.get_num_threads())
        torch.ones(2).sin()
    assert heard.too_early == {"cos"}


def test_no_process_sets_its_threads_otherwise() -> None:
    found = set()
    for path in HARNESS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "set_num_threads":
                found.add(path.relative_to(HARNESS).as_posix())
    assert found == MAY_SET_THREADS
