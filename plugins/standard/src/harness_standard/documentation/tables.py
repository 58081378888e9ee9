"""The tables of PEFT methods and of strategies."""

from __future__ import annotations

from math import prod

from harness.components import ModelSpec, RoundPlan, Shapes, StrategyContext, StrategyMethod
from harness.planning.forecast import message_bytes
from harness_standard.documentation.markdown import link, table
from harness_standard.peft_methods import PEFT_METHODS
from harness_standard.strategies import STRATEGIES

MODEL = ModelSpec(
    name="smollm2-135m", hub_id="HuggingFaceTB/SmolLM2-135M-Instruct", layers=30, hidden=576,
    intermediate=1536, heads=9, kv_heads=3, vocab=49152,
)  # fmt: skip
"""The sizes in the tables are of default parameters on this model."""


def methods() -> str:
    """Return the table of PEFT methods, with what each costs."""
    rows = []
    for method in PEFT_METHODS:
        params = method.params()
        shapes = method.shapes(MODEL, params)
        weights = sum(prod(shape) for shape in shapes.values())
        message = message_bytes(method.travelling(MODEL, params)) / 2**20
        cells = [f"`{method.name}`", link(method.paper), str(len(shapes)), f"{weights:,}"]
        rows.append([*cells, f"{message:.2f}"])
    head = ["name", "paper", "tensors", "weights", "message, MiB"]
    note = f"Default parameters on {MODEL.hub_id.rpartition('/')[2]}.\n\n"
    return note + table(head, rows)


def strategies() -> str:
    """Return the table of strategies, with what each moves and which laws it does not keep."""
    rows = []
    for strategy in STRATEGIES:
        laws = "; ".join(f"*{law}*: {why}" for law, why in strategy.broken_laws.items())
        formula = strategy.formula.replace("|", "\\|")
        cells = [f"`{strategy.name}`", link(strategy.paper), formula]
        rows.append([*cells, _travels(strategy), laws])
    return table(["name", "paper", "aggregation", "travels", "laws not kept"], rows)


def _travels(strategy: StrategyMethod) -> str:
    lora = next(item for item in PEFT_METHODS if item.name == "lora")
    params = lora.params()
    context = StrategyContext(
        num_supernodes=50, clients_per_round=5, fraction=0.1, rounds=4, seed=0,
        shapes=lora.shapes(MODEL, params), peft_method="standard/lora",
        peft_params=params.model_dump(),
    )  # fmt: skip
    if strategy.round_plan is None:
        return "the adapter, both ways"
    plans = [strategy.plan_of(strategy.params(), context, number) for number in (1, 2, 3, 4)]
    texts = [_plan_text(plan) for plan in plans]
    groups = [
        (text, [i + 1 for i, t in enumerate(texts) if t == text]) for text in dict.fromkeys(texts)
    ]
    if len(groups) == 1:
        return texts[0]
    names = {
        (1, 3): "odd rounds",
        (2, 4): "even rounds",
        (1, 2, 3): "rounds",
        (4,): "last round",
        (1,): "first round",
        (2, 3, 4): "then",
    }
    return "; ".join(f"{names[tuple(rounds)]}: {text}" for text, rounds in groups)


def _plan_text(plan: RoundPlan) -> str:
    kept = f", kept {_kinds(plan.keep)}" if plan.keep else ""
    return f"down {_kinds(plan.down) or 'nothing'}, up {_kinds(plan.up)}{kept}"


def _kinds(shapes: Shapes) -> str:
    """`A, B, control A ...` of a set of LoRA tensors."""
    kinds = []
    for name in shapes:
        own, slash, _ = name.partition("/")
        factor = "A" if ".lora_A." in name else "B"
        kinds.append(f"{own} {factor}" if slash else factor)
    return " and ".join(dict.fromkeys(kinds))
