"""Which strategy goes with which PEFT method."""

from __future__ import annotations

from harness_standard.documentation.markdown import table
from harness_standard.peft_methods import PEFT_METHODS
from harness_standard.validity import PER_FACTOR, PER_TENSOR, REFUSALS, why_not


def matrix() -> str:
    """Return the table of all pairs; a refused one shows the number of its reason."""
    methods = [method.name for method in PEFT_METHODS]
    rows = []
    for strategy in PER_TENSOR + PER_FACTOR:
        cells = []
        for method in methods:
            reason = why_not(strategy, method)
            number = next((i for i, r in enumerate(REFUSALS, 1) if r.reason == reason), 0)
            cells.append("yes" if reason is None else f"[{number}]")
        rows.append([f"`{strategy}`", *cells])
    note = (
        "*yes*: trained by a test, with real peft adapters and gradients. [n]: refused by `harness"
        " plan` and `harness run`, for the reason below.\n\n"
    )
    return note + table(["", *methods], rows)


def reasons() -> str:
    """Return the numbered reasons."""
    lines = [f"{i}. {refusal.reason}." for i, refusal in enumerate(REFUSALS, 1)]
    extra = (
        "\n\n`scaffold` also asks for `train.optimizer=sgd` and `train.weight_decay=0`: its control"
        " variates are\ngradients only when a step is the learning rate times the gradient. A PEFT"
        " method of another plugin is\ntaken by the strategies that treat every tensor alike, and"
        " refused by the others.\n\nOf few clients a round `krum` and `multikrum` are refused below"
        " 2 f + 3 of them, `multikrum`\nbelow m as well, and `fedtrimmedavg` where its share of"
        " them is none.\n"
    )
    return "\n" + "\n".join(lines) + extra
