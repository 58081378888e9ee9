"""The rules that a spec must keep before anything heavy starts: one small function each.

A rule yields two sentences for each fault, what was found and what is expected; all are reported
at once. Eligibility, which a run may lack and still be worth running, is in
`harness.planning.eligibility`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.boards.challenge import Challenge
from harness.boards.open_division import OpenRules
from harness.codec.choice import OF_CHANGES
from harness.components import RoundPlan
from harness.document import Document
from harness.document.units import how_many
from harness.errors import RuleViolationError
from harness.planning.forecast import Forecast
from harness.planning.settings.keys import OPEN_KEYS
from harness.planning.settings.templates import (
    Fault,
    contamination_faults,
    data_faults,
    prompt_faults,
)
from harness.recipe import Recipe
from harness.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule looks at."""

    spec: RunSpec
    recipe: Recipe
    challenge: Challenge
    forecast: Forecast
    objections: tuple[str | None, str | None]
    """Why the strategy is not valid for the PEFT method, and why not for the training, or None."""
    static_attempts: tuple[tuple[str, str], ...]
    """`--set` options that aim at fixed values; see `harness.planning.settings.overrides`."""
    code_asked_for: bool = False
    """Whether `--set` allows code out of the model's folder to run."""
    odd_extensions: tuple[Fault, ...] = ()
    """What of the extensions cannot be used together; see `harness.planning.extension_checks`."""
    plans: Sequence[RoundPlan] = ()
    """What each round moves."""


@dataclass(frozen=True, slots=True)
class PlanRule:
    """A rule with its source."""

    id: str
    title: str
    source: str
    check: Callable[[Case], Iterable[Fault]]
    where: tuple[str, ...] = ()
    """Path in a recipe of the value that such a fault is mended at."""


class Violation(Document):
    """One fault that one rule finds."""

    rule: str
    title: str
    found: str
    expected: str
    source: str


def static_values(case: Case) -> Iterator[Fault]:
    """The challenge's values are nobody's to set."""
    is_open = case.spec.division == "open"
    for option, name in case.static_attempts:
        if not (is_open and name in OPEN_KEYS):
            hint = "" if is_open or name not in OPEN_KEYS else ", but for a run of --division open"
            yield f"--set {option}", f"{name} stays as challenge {case.challenge.id} fixes it{hint}"
    if not is_open and case.recipe.open != OpenRules():
        yield (
            f"the recipe changes {case.recipe.open.described()}",
            "division = open in the recipe, or --division open: the closed division keeps it",
        )


def same_challenge(case: Case) -> Iterator[Fault]:
    """A recipe made for one challenge is not run as another's."""
    if case.recipe.challenge not in (None, case.challenge.id):
        yield (
            f"recipe {case.spec.label} is made for {case.recipe.challenge}",
            f"a recipe for {case.challenge.id}",
        )


def communication_limit(case: Case) -> Iterator[Fault]:
    """The accumulated train messages stay within the budget (strict `>` breaks it)."""
    traffic = case.forecast.communication
    if traffic.total_bytes > case.challenge.communication.limit_bytes:
        yield (
            f"{traffic.total_mib:.2f} MiB forecast ({traffic.messages} messages of"
            f" {traffic.message_bytes} bytes)",
            f"at most {traffic.limit_mib} MiB: fewer rounds, a smaller fraction or a smaller rank",
        )


def response_marker(case: Case) -> Iterator[Fault]:
    """The loss starts after the marker, so the template must hold it exactly once."""
    yield from prompt_faults(case.spec.train.prompt)


def data_templates(case: Case) -> Iterator[Fault]:
    """What rewrites or filters rows names columns that there are."""
    yield from data_faults(case.spec.train.data)


def contamination(case: Case) -> Iterator[Fault]:
    """No text of the recipe holds rows of the evaluation."""
    yield from contamination_faults(case.challenge.id, case.spec.train)


def learning_rates(case: Case) -> Iterator[Fault]:
    """The schedule falls from its maximum to its minimum."""
    train = case.spec.train
    if train.learning_rate_min > train.learning_rate_max:
        yield (
            f"learning_rate_min {train.learning_rate_min} above learning_rate_max"
            f" {train.learning_rate_max}",
            "learning_rate_min <= learning_rate_max",
        )


def valid_combination(case: Case) -> Iterator[Fault]:
    """A strategy is used only with PEFT methods and training that it is defined for."""
    name, peft = case.spec.strategy.name, case.spec.peft
    method, training = case.objections
    if method:
        yield (
            f"strategy {name} with {peft.name}: {method}",
            "a valid pair; see docs/components.md",
        )
    if training:
        yield (
            f"strategy {name}: {training}",
            "training that the strategy is made for; see docs/components.md",
        )


def extensions(case: Case) -> Iterator[Fault]:
    """An extension is used only with what it has a meaning for."""
    yield from case.odd_extensions


def own_code(case: Case) -> Iterator[Fault]:
    """Code out of a model's folder runs only where that is asked for."""
    model = case.spec.model
    if model.family.own_code and not model.trust_remote_code:
        yield (
            f"{model.hub_id} is a model of {model.architecture}, whose code lies in its folder",
            "model.trust_remote_code=true, which lets that code run and makes the run ineligible,"
            " or another model",
        )
    elif model.trust_remote_code and not case.code_asked_for:
        yield (
            f"{model.hub_id} is to run code out of its folder, and only a plugin asks for that",
            "--set model.trust_remote_code=true typed by whoever runs it, since that code has all"
            " of your rights; or another model",
        )


def codec_of_changes(case: Case) -> Iterator[Fault]:
    """A codec of changes needs the value that a change is of, at both ends."""
    codec = case.spec.train.codec
    if codec is None or codec.name not in OF_CHANGES:
        return
    for number, plan in enumerate(case.plans, start=1):
        # What the strategy adds of its own, such as SCAFFOLD's differences, is a change already.
        if lacking := sorted((plan.up.keys() & plan.train) - plan.down.keys()):
            yield (
                f"codec {codec.name}: in round {number} of {case.spec.strategy.name} clients return"
                f" {lacking[0]}, which they were not sent",
                "a strategy that sends what it gets back, or another codec",
            )
            return


PLAN_RULES = (
    PlanRule("static-values", "Fixed values are not set", "template README, important note",
             static_values),
    PlanRule("same-challenge", "A recipe runs in its own challenge", "harness design",
             same_challenge),
    PlanRule("communication-limit", "Communication stays within the budget",
             "template strategy.py, 200,000 MB", communication_limit,
             ("train", "rounds")),
    PlanRule("response-marker", "The loss covers the response", "template dataset.py, collator",
             response_marker, ("train", "prompt", "response_marker")),
    PlanRule("data-templates", "Rows are rewritten by their columns", "harness design",
             data_templates, ("train", "data")),
    PlanRule("contamination", "No text of the recipe holds evaluation rows",
             "harness.boards.shingles", contamination, ("train", "prompt")),
    PlanRule("learning-rates", "The schedule falls", "template models.py, cosine annealing",
             learning_rates, ("train", "learning_rate_min")),
    PlanRule("valid-combination", "Strategy and PEFT method fit",
             "docs/components.md, validity matrix", valid_combination, ("strategy",)),
    PlanRule("extensions", "Extensions fit the rest of the recipe", "harness design", extensions,
             ("extensions",)),
    PlanRule("codec", "A codec of changes has what they are changes of", "harness design",
             codec_of_changes, ("train", "codec")),
    PlanRule("own-code", "A model's own code runs where it is asked for", "harness design",
             own_code),
)  # fmt: skip


def violations(case: Case, place: Callable[..., str] = lambda *path: "") -> tuple[Violation, ...]:
    """Return every fault that any rule finds.

    Args:
        case: what the rules look at.
        place: path of a value -> where the recipe's author gives it, as ` (file:line)`.
    """
    return tuple(
        Violation(
            rule=rule.id,
            title=rule.title,
            found=found + (place(*rule.where) if rule.where else ""),
            expected=expected,
            source=rule.source,
        )
        for rule in PLAN_RULES
        for found, expected in rule.check(case)
    )


def refuse(found: Iterable[Violation]) -> None:
    """Raise when there is a violation.

    Raises:
        RuleViolationError: all of them, in one line.
    """
    items = list(found)
    if items:
        lines = "; ".join(
            f"[{item.rule}] {item.found}; expected: {item.expected}" for item in items
        )
        raise RuleViolationError(f"{how_many(len(items), 'rule violation')}: {lines}")
