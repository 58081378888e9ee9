"""A rehearsal of a run: a fork plays its rounds on small arrays, before any model is loaded.

A strategy whose formula the harness does not know may fail in its ninth round, after hours of
training; here that shows in a second. The fork leaves nothing behind: what a plugin keeps in its
modules and what its generators have drawn is in this process as it was.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from types import FrameType
from typing import Any, NoReturn

from harness.boards.challenge import Challenge
from harness.components import StrategyContext
from harness.document.units import GIB
from harness.errors import HarnessError, PluginError
from harness.federation.open_run import OpenRun
from harness.federation.rehearsal.clients import MOVE, drift
from harness.federation.rehearsal.small_federation import SmallFederation
from harness.planning.component_checks import adapter_shapes, strategy_context
from harness.planning.smoke import smoke_model
from harness.plugins import Components
from harness.plugins.places import of_frame
from harness.progress import say
from harness.spec import RunSpec

LIMIT_S = 20.0
"""Longest time of a rehearsal. 200 rounds of five clients take 3 s; then the run goes on."""
UNTOLD_S = 1.0
"""A rehearsal that takes longer is told."""
PLACE_S = 1.0
"""Longest wait for where it was stopped; code that is not Python's may not hear."""
LAYERS = 2
"""Of the small model: each has the same tensors."""
LARGEST_BYTES = 4 * GIB
"""Of one round's replies in the run's own shapes, with which a fault is tried again."""


def small_context(spec: RunSpec, challenge: Challenge, parts: Components) -> StrategyContext:
    """Return the context of a run whose model is small; all else is the run's.

    Args:
        spec: the run.
        challenge: its challenge.
        parts: the components that the spec names.

    Raises:
        PluginError: the PEFT method has no adapter for a small model.
    """
    small = smoke_model(spec.model).with_values(layers=LAYERS)
    shapes = adapter_shapes(spec.peft.name, parts.method, small, parts.peft_params)
    return strategy_context(spec, challenge, parts, shapes)


def rehearse(run: OpenRun, quiet: bool = False, limit_s: float = LIMIT_S) -> None:
    """Play the rounds of a run in a fork of this process.

    A fault counts when the run's own shapes show it as well, with moves as large as the clients'
    training can make them: a strategy may be made for layers that a small model has not.

    Args:
        run: the run; nothing in it changes.
        quiet: whether a long rehearsal is left untold.
        limit_s: longest time, in seconds.

    Raises:
        PluginError: the strategy or its client part fails in one of the rounds.
    """
    if sys.platform != "linux" or _holds_a_gpu():
        return
    name = run.spec.strategy.name
    said = _said_by_a_fork(run, name, quiet, limit_s)
    if said.error is not None and said.certain:
        raise PluginError(
            f"rehearsal on random updates, before training: {said.error}; --no-rehearsal runs it"
            " all the same"
        )
    if said.error is not None:
        say(
            f"rehearsal on random updates of a small model: {said.error}; the run goes on, since"
            " its own model was not found to show it"
        )
    elif not said.whole:
        say(
            f"rehearsal of strategy {name}: {said.why} after {said.rounds} of"
            f" {run.context.rounds} rounds{said.place}; the run goes on"
        )


@dataclass
class _Said:
    """What a fork has said of its rehearsal so far."""

    rounds: int = 0
    """Played on small arrays."""
    error: str | None = None
    certain: bool = False
    """Whether the run's own shapes show the error too."""
    whole: bool = False
    """Whether the rehearsal came to its end."""
    why: str = "its process ended"
    place: str = ""
    """Where the author's code was when it was stopped, as `, in file:line`."""
    unread: bytes = field(default=b"", repr=False)

    def read(self, data: bytes) -> None:
        """Take in what came."""
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            for key, value in json.loads(line).items():
                setattr(self, key, value)


def _said_by_a_fork(run: OpenRun, name: str, quiet: bool, limit_s: float) -> _Said:
    """Fork, and return what the fork said until its end or the limit."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns of other threads: those of OpenBLAS, which makes new ones in a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _rehearse_and_end(run, writer)
    os.close(writer)
    said, begin, told = _Said(), time.monotonic(), quiet
    try:
        with open(reader, "rb", buffering=0) as answers:
            while (waited := time.monotonic() - begin) < limit_s:
                if not told and waited > UNTOLD_S:
                    told = True
                    say(f"rehearsing the rounds of strategy {name} on small arrays")
                if select.select([answers], [], [], 0.1)[0]:
                    if not (data := answers.read(2**16)):
                        break
                    said.read(data)
            else:
                said.why = f"stopped by its limit of {limit_s:.0f} s"
                os.kill(child, signal.SIGTERM)
                while select.select([answers], [], [], PLACE_S)[0] and (
                    data := answers.read(2**16)
                ):
                    said.read(data)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return said


def _rehearse_and_end(run: OpenRun, writer: int) -> NoReturn:
    """Be the fork: rehearse, say what comes of it, and end."""

    def tell(**said: Any) -> None:
        os.write(writer, json.dumps(said).encode() + b"\n")

    def stopped(number: int, frame: FrameType | None) -> None:
        place = of_frame(frame)
        tell(place=f", in {place}" if place else "")
        os.kill(os.getpid(), signal.SIGKILL)  # `os._exit` is refused in the author's code

    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, stopped)
        logging.disable()
        _show_nothing()
        _play(run, tell)
    except BaseException as error:  # of the harness's own: no reason to lose a run
        tell(why=f"ended by {type(error).__name__}: {error}")
    finally:
        os._exit(0)


def _show_nothing() -> None:
    """Drop what code prints from now on: it will say the same again in the real rounds."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    sys.stdout = sys.stderr = os.fdopen(null, "w")  # they need not be the two


def _play(run: OpenRun, tell: Callable[..., None]) -> None:
    try:
        small = small_context(run.spec, run.job.challenge, run.components)
    except HarnessError as error:
        tell(why=f"there is none on a small model ({error})")
        return
    faulty = 1
    try:
        for number in _rounds(run, small, MOVE, small.rounds):
            faulty = number + 1
            tell(rounds=number)
    except HarnessError as error:
        tell(error=str(error))
    else:
        tell(whole=True)
        return
    sizes = sum(prod(shape) for shape in run.context.shapes.values())
    if 4 * sizes * run.context.clients_per_round > LARGEST_BYTES:
        return
    train = run.spec.train
    try:
        for _ in _rounds(run, run.context, train.learning_rate_max * train.max_steps, faulty):
            pass
    except HarnessError as error:
        tell(error=str(error), certain=True)


def _rounds(run: OpenRun, context: StrategyContext, move: float, last: int) -> Iterator[int]:
    """Play rounds 1..last and yield the number of each once it is over."""
    parts = run.components
    federation = SmallFederation(parts.strategy, parts.strategy_params, context, drift(move))
    adapter = dict(federation.initial)
    for number in range(1, last + 1):
        adapter = federation.play(adapter, number)
        yield number


def _holds_a_gpu() -> bool:
    """Return whether this process has begun to use a GPU, which does not outlive a fork."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())
