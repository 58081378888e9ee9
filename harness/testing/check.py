"""`check_plugin`: everything that can be checked of a plugin without a model, data or a network."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import FrameType

from harness import progress
from harness.components import EXTENSION_KINDS
from harness.document.units import how_many
from harness.errors import HarnessError, PluginError
from harness.federation.simulation.flower_log import no_flower_log
from harness.planning.resolve import Request, Resolved, resolve
from harness.planning.smoke import SMOKE_MODEL, smoke_model
from harness.plugins import Loaded, discover, load, long_calls
from harness.plugins.places import HEAVY, of_import
from harness.sources.hub_model import hub_model
from harness.testing.problem import Problem


def check_plugin(name: str) -> None:
    """Check an installed plugin.

    Args:
        name: its entry point name, as in `harness plugins`.

    Raises:
        PluginError: every problem found, one a line.
    """
    __tracebackhide__ = True  # pytest shows the line of the author's test
    with no_flower_log(), _ending_endless_calls():
        found = list(problems(name))
    if found:
        lines = "\n".join(f"  {item}" for item in found)
        raise PluginError(f"plugin {name!r} has {how_many(len(found), 'problem')}:\n{lines}")


@contextmanager
def _ending_endless_calls() -> Iterator[None]:
    """Raise TimeoutError in a call of plugin code that is told of twice: arrays here are small.

    pytest shows nothing of what is told until a test ends. Only the main thread can be reached.
    """
    if threading.current_thread() is not (main := threading.main_thread()):
        yield
        return
    told: list[str] = []

    def hear(text: str) -> None:
        told.append(text)
        if len(told) > 1:
            signal.pthread_kill(main.ident or 0, signal.SIGALRM)

    def end(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {2 * long_calls.LONG_CALL_S:.0f} s")

    before = signal.signal(signal.SIGALRM, end)
    try:
        with long_calls.hearing_of_long_calls(hear):
            yield
    finally:
        signal.signal(signal.SIGALRM, before)


def problems(name: str) -> Iterator[Problem]:
    """Yield what is wrong with an installed plugin.

    Raises:
        PluginError: the plugin is not installed, or does not load at all.
    """
    plugin = load(name)
    yield from _told("its import", _light(name))
    offers = (plugin.models, plugin.peft_methods, plugin.strategies, plugin.extensions)
    if not (any(offers) or plugin.recipes):
        yield Problem(f"plugin {name}", "empty", "it contributes nothing; implement a hook")
    plans: list[Resolved] = []
    yield from _told("its recipes", _recipes(plugin, plans))
    if find_spec("torch") is None or find_spec("flwr") is None:
        yield Problem(
            f"plugin {name}", "extra", "flowertune-harness[run] is not installed; install it"
        )
        return
    from harness.testing.extension_checks import check_extension
    from harness.testing.peft_checks import check_on_own_family, check_peft_method, check_start_of
    from harness.testing.strategy_checks import check_rounds_of, check_strategy

    odd = [plan for plan in plans if smoke_model(plan.spec.model) != SMOKE_MODEL]
    for plan in odd:
        where = f"recipe {plan.spec.recipe}, in a small model of its family"
        yield from _told(where, check_on_own_family(plan))
    tried = {plan.spec.peft.name for plan in odd}
    for method in plugin.peft_methods.values():
        # One that is made for fused layers, say, has nothing to adapt in a Llama.
        if f"{plugin.ref.name}/{method.name}" not in tried:
            yield from _told(f"PEFT method {method.name}", check_peft_method(method, plugin))
    for plan in plans:
        if not plan.violations:
            yield from _told(f"recipe {plan.spec.recipe}, its start", check_start_of(plan))
    faultless = set()
    for strategy in plugin.strategies.values():
        found = list(_told(f"strategy {strategy.name}", check_strategy(strategy, plugin)))
        yield from found
        if not found:
            faultless.add(f"{plugin.ref.name}/{strategy.name}")
    for plan in plans:
        if plan.spec.strategy.name in faultless and not plan.violations:
            yield from _told(f"recipe {plan.spec.recipe}, its rounds", check_rounds_of(plan))
    for item in plugin.extensions.values():
        kind = next(name for name, each in EXTENSION_KINDS.items() if type(item) is each)
        yield from _told(f"{kind} {item.name}", check_extension(kind, item, plugin))


def _told(what: str, found: Iterator[Problem]) -> Iterator[Problem]:
    """Yield problems, and say first what is looked at: all of it may take minutes."""
    progress.say(f"checking {what}")
    yield from found


def _light(name: str) -> Iterator[Problem]:
    """Import the plugin and call its hooks in a fresh process, and look at what that loaded."""
    code = (
        "import sys\n"
        "from harness.plugins import load\n"
        f"load({name!r})\n"
        f"print(*[item for item in {HEAVY!r} if item in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield Problem(f"plugin {name}", "import", f"fails in a fresh process: {last}")
    elif done.stdout.strip():
        place = of_import(discover()[name].top_module)
        yield Problem(
            f"plugin {name}",
            "light",
            f"its import loads {done.stdout.strip()}{f' ({place})' if place else ''}; import such"
            " modules inside functions",
        )


def _recipes(plugin: Loaded, plans: list[Resolved]) -> Iterator[Problem]:
    """Yield what is wrong with the plugin's recipes; what could be resolved goes into `plans`."""
    for recipe in plugin.recipes:
        subject = f"recipe {recipe}"
        try:
            resolved = resolve(Request(plugin=f"{plugin.ref.name}/{recipe}"), hub_models=hub_model)
        except HarnessError as error:
            yield Problem(subject, "resolve", str(error))
            continue
        plans.append(resolved)
        for item in resolved.violations:
            yield Problem(subject, item.rule, f"{item.found}; expected: {item.expected}")
