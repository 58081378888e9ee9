"""`docs/components.md`, rendered from the components themselves.

python -m harness_standard.documentation docs/components.md           write it
python -m harness_standard.documentation docs/components.md --check   exit 1 when it is stale
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from math import prod
from pathlib import Path
from typing import Any

from harness.components import (
    ModelSpec,
    PeftMethod,
    RoundPlan,
    Shapes,
    StrategyContext,
    StrategyMethod,
)
from harness.document import Document
from harness.forecast import message_bytes
from harness_standard.peft_methods import PEFT_METHODS
from harness_standard.strategies import STRATEGIES
from harness_standard.validity import PER_FACTOR, PER_TENSOR, REFUSALS, why_not

MODEL = ModelSpec(
    name="smollm2-135m", hub_id="HuggingFaceTB/SmolLM2-135M-Instruct", layers=30, hidden=576,
    intermediate=1536, heads=9, kv_heads=3, vocab=49152,
)  # fmt: skip
"""The sizes in the tables are of default parameters on this model."""

INTRODUCTION = """\
# Components

<!-- Generated: python -m harness_standard.documentation docs/components.md -->

What `plugins/standard` offers. A recipe names a component `standard/<name>`; `--set peft=...` and
`--set strategy=...` try another one, `--set peft.<parameter>=...` another value.

"n_i / n" is the share of client i's examples among those of the round's clients; w is what clients
received, w_i what client i returned, w' what the server makes of it.
"""

AFTER_METHODS = """
`ffa-lora` freezes A at its seeded start: it is saved with the adapter, neither trained nor sent.
`adalora`, `pissa` and `olora` are listed for their forecast; no strategy here may use them (below).

Prompt and prefix tuning are not offered: they put virtual tokens before the prompt, and the
official evaluation counts positions and its 512 tokens from the first token of the prompt.
"""

AFTER_STRATEGIES = """
**Laws.** Every aggregation is held to these by `check_plugin`: the order of replies does not
matter; the same replies give the same bytes; a strategy restored from a checkpoint goes on as it
would have; clients that return what they received change nothing (*fixed-point*); clients that
agree, or one client alone, make their update the new adapter (*identity*); a client of twice the
examples counts as two (*examples*). The table names the exceptions; the first three have none.

**What is sent is read.** A config key that a strategy sends must be named by its client part
(`LocalObjective.reads`); otherwise the run stops before anything is trained. A FedProx whose
clients ignore `proximal-mu` would be a FedAvg under another name.

**Aggregation error.** Every round of a method with factors A and B records
||mean(B A) - mean(B) mean(A)|| / ||mean(B A)||: what averaging factors loses against averaging
products. It is zero where all clients share one factor (`ffa-lora`, `rolora`).

**Clients that keep something.** Where the table says *kept*, a client's arrays stay in the run
directory's `clients/`, are never sent and are not counted as communication. Replaying one round of
such a run needs them.

**Privacy.** With `dp-*` the noise comes from the run's seed, so that a run can be repeated: whoever
knows the seed can take the noise out again.
"""

NOT_OFFERED = """
FedEx-LoRA is not offered. It adds the aggregation error to the frozen base each round: the base is
held in 4 bits, where such an edit is lost in rounding, and the official evaluation puts the adapter
on the unedited base.
"""


def render() -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION, "\n## PEFT methods\n\n", _methods(), AFTER_METHODS]
    parts += ["\n### Parameters\n", *(_parameters(item) for item in _distinct(PEFT_METHODS))]
    parts += ["\n## Strategies\n\n", _strategies(), AFTER_STRATEGIES]
    parts += ["\n### Parameters\n", *(_parameters(item) for item in _distinct(STRATEGIES))]
    parts += ["\n## Which strategy with which PEFT method\n\n", _matrix(), _reasons(), NOT_OFFERED]
    return "".join(parts)


def _methods() -> str:
    rows = []
    for method in PEFT_METHODS:
        params = method.params()
        shapes = method.shapes(MODEL, params)
        weights = sum(prod(shape) for shape in shapes.values())
        message = message_bytes(method.travelling(MODEL, params)) / 2**20
        cells = [f"`{method.name}`", _link(method.paper), str(len(shapes)), f"{weights:,}"]
        rows.append([*cells, f"{message:.2f}"])
    head = ["name", "paper", "tensors", "weights", "message, MiB"]
    note = f"Default parameters on {MODEL.hub_id.rpartition('/')[2]}.\n\n"
    return note + _table(head, rows)


def _strategies() -> str:
    rows = []
    for strategy in STRATEGIES:
        laws = "; ".join(f"*{law}*: {why}" for law, why in strategy.broken_laws.items())
        formula = strategy.formula.replace("|", "\\|")
        cells = [f"`{strategy.name}`", _link(strategy.paper), formula]
        rows.append([*cells, _travels(strategy), laws])
    return _table(["name", "paper", "aggregation", "travels", "laws not kept"], rows)


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


def _parameters(group: tuple[str, type[Document]]) -> str:
    names, kind = group
    if not kind.model_fields:
        return f"\n**{names}**: none.\n"
    rows = []
    texts = _attribute_docstrings(kind)
    for name, info in kind.model_fields.items():
        default = "required" if info.is_required() else f"`{_plain(info.default)}`"
        text = " ".join(texts.get(name, "").split()).replace("|", "\\|")
        rows.append([f"`{name}`", default, text])
    return f"\n**{names}**\n\n" + _table(["parameter", "default", "meaning"], rows)


def _attribute_docstrings(kind: type[Document]) -> dict[str, str]:
    """The strings under the fields of a document and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not issubclass(base, Document) or base is Document:
            continue
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for field, after in pairwise(tree.body):
            text = after.value if isinstance(after, ast.Expr) else None
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Constant):
                found[ast.unparse(field.target)] = str(text.value)
    return found


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _distinct(
    items: Sequence[PeftMethod | StrategyMethod],
) -> Iterable[tuple[str, type[Document]]]:
    """Components that share one document are described together."""
    ordered = sorted(items, key=lambda item: [other.params for other in items].index(item.params))
    for kind, group in groupby(ordered, key=lambda item: item.params):
        yield ", ".join(f"`{item.name}`" for item in group), kind


def _matrix() -> str:
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
    return note + _table(["", *methods], rows)


def _reasons() -> str:
    lines = [f"{i}. {refusal.reason}." for i, refusal in enumerate(REFUSALS, 1)]
    extra = (
        "\n\n`scaffold` also asks for `train.optimizer=sgd` and `train.weight_decay=0`: its control"
        " variates are\ngradients only when a step is the learning rate times the gradient. A PEFT"
        " method of another plugin is\ntaken by the strategies that treat every tensor alike, and"
        " refused by the others.\n"
    )
    return "\n" + "\n".join(lines) + extra


def _link(address: str) -> str:
    return f"[{address.rpartition('/')[2]}]({address})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description="Render docs/components.md.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when stale")
    options = parser.parse_args(arguments)
    text = render()
    if not options.check:
        options.path.write_text(text, encoding="utf-8")
        return 0
    if not options.path.is_file() or options.path.read_text(encoding="utf-8") != text:
        print(
            f"{options.path} is stale; run python -m harness_standard.documentation",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
