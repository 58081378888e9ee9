"""`docs/components.md`: the page of plugins/standard, and what this plugin says beside it.

python -m harness_federated_lora.documentation docs/components.md           write it
python -m harness_federated_lora.documentation docs/components.md --check   exit 1 when it is stale

The gauge numbers are measured while it is rendered, in some seconds.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from harness_standard.documentation import render as render_standard
from harness_standard.documentation.markdown import link, table
from harness_standard.documentation.parameters import _attribute_docstrings
from harness_standard.documentation.texts import NOT_OFFERED
from harness_standard.strategies import STRATEGIES as STANDARD

from harness.components import StrategyContext, StrategyMethod
from harness.plugins import load
from harness_federated_lora.strategies import STRATEGIES

CONDITIONS = (1.0, 10.0, 100.0, 1000.0)
OTHER = "python -m harness_standard.documentation docs/components.md"
OWN = "python -m harness_federated_lora.documentation docs/components.md"

HERE = "no strategy here may use them (below)"
THERE = "`rebased` alone may use the last two (below)"

NEWER = """
## Newer aggregations

What `plugins/federated-lora` offers; a recipe names a strategy `federated-lora/<name>`. They take
`standard/lora` and, but for `fedex-lora`, `standard/rslora`; `rebased` takes `standard/pissa` and
`standard/olora`, which no strategy of `standard` may use.

"""

REMARKS = """
**FedEx-LoRA's residual stands beside the base and in the adapter.** Written into the base, as in
the paper, it would be lost in the rounding of 4 bits, and the official evaluation puts the
adapter on the base as it was. So the adapter's rank grows by (K + 1) r a round, and what goes
down grows with it: a long run does not fit the budget, and `harness plan` says so.

**FedSVD's A follows within its first span.** Clients train B alone, so rows of B A lie in the
span of the first A, and so do those of every later one: the SVD changes the basis and its scale.

**HetLoRA's ranks are the recipe's.** A client is sent zeros beyond its rank, which have no
gradient; they travel and are counted. The paper's self-pruning is not done.

**PiSSA and OLoRA** start from a part of the base's weights. peft takes that part out of the base;
here the base stays, the part is taken off each layer's output while clients train, and the
adapter is what peft's conversion makes: a plain LoRA of twice the rank. peft cannot take a start
from weights that are held in 4 bits, as they are on a GPU: such a run ends with peft's reason.

**Fed-SB is not offered**: it trains a small square matrix between two frozen factors. Clients here
train tensors of peft's adapter alone, and peft 0.21 has none with such a matrix.
"""

GAUGE = """
## The gauge law

(B G) (G^-1 A) is B A: a client that returns other factors of one product has returned one update.
The number is how far the aggregate's product goes, by its size, when one of six clients does so
in one round, for condition numbers of G from 1 (a rotation) to 1,000. `check_plugin` holds
strategies that say that they average products to less than 0.001 at 100. Where one factor travels
there is no other split; a selection (Krum) may choose another client, or the same. What the
numbers have to do with the loss of a model is in [comparison.md](comparison.md).

"""

PRIVACY = """
## Privacy accounting

`harness plan` and the record of a run with `dp-server-side` or `dp-client-side` state an epsilon
by Flower's own accountant (`flwr.supercore.privacy_accounting`, over Google's `dp-accounting`:
install `flowertune-harness[privacy]`). It is for one client added or removed, at a delta of 1e-5,
over all rounds, and assumes nothing of the sampling (no amplification), as Flower's strategies
do. The noise that counts is z / (K max_i p_i): clients weigh by their examples, so the heaviest
one is protected least. It holds against whoever does not know the run's seed, of which the noise
is drawn, and says nothing of losses and other metrics, which are sent in the clear. `harness
verify` derives it again from the record's noise, rounds and examples, by the formulas and without
the library.

Secure aggregation is not offered. Flower 1.42 has SecAgg and SecAgg+ as workflows of its older
driver API (`flwr.server.workflow`, with `flwr.client.mod.secaggplus_mod`); for strategies of the
Message API there is neither a strategy nor a mod. It would also hide from the harness what it
checks: a record names the digest of each client's update, and an aggregate is derived a second
time from them.
"""


def render() -> str:
    """Return the text of the page."""
    text = render_standard().replace(NOT_OFFERED, "").replace(OTHER, OWN).replace(HERE, THERE)
    parts = [text.rstrip("\n") + "\n", NEWER, _strategies(), REMARKS]
    parts += ["\n### Parameters\n\n", _parameters(), GAUGE, _gauge(), PRIVACY]
    return "".join(parts)


def _parameters() -> str:
    """Return one table; most strategies here have no parameter."""
    rows = []
    for strategy in STRATEGIES:
        texts = _attribute_docstrings(strategy.params)
        for name, info in strategy.params.model_fields.items():
            default = info.default
            shown = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
            text = " ".join(texts[name].split()).replace("|", "\\|")
            rows.append([f"`{strategy.name}`", f"`{name}`", f"`{shown}`", text])
    return table(["strategy", "parameter", "default", "meaning"], rows)


def _strategies() -> str:
    rows = []
    for strategy in STRATEGIES:
        laws = "; ".join(f"*{law}*: {why}" for law, why in strategy.broken_laws.items())
        formula = strategy.formula.replace("|", "\\|")
        rows.append([f"`{strategy.name}`", link(strategy.paper), formula, laws])
    return table(["name", "paper", "aggregation", "laws not kept"], rows)


def _gauge() -> str:
    rows = []
    for owner, strategies in (("standard", STANDARD), ("federated-lora", STRATEGIES)):
        plugin = load(owner)
        for strategy in strategies:
            context = _context(strategy, plugin)
            rows.append([f"`{strategy.name}`", *_numbers(strategy, context)])
    head = ["strategy", *(f"condition {condition:,.0f}" for condition in CONDITIONS)]
    return table(head, rows)


def _context(strategy: StrategyMethod, plugin: object) -> StrategyContext:
    from harness.plugins import Loaded
    from harness.testing.strategy_checks import sample_context

    assert isinstance(plugin, Loaded)
    context = sample_context(strategy, plugin)
    assert context is not None
    return context


def _numbers(strategy: StrategyMethod, context: StrategyContext) -> list[str]:
    from harness.testing.laws import gauge_number

    log = logging.getLogger("flwr")
    before, log.disabled = log.disabled, True
    try:
        found = [gauge_number(strategy, strategy.params(), context, c) for c in CONDITIONS]
    finally:
        log.disabled = before
    # Below 0.001 it is the rounding of float32, which differs from machine to machine.
    return [
        "one factor travels" if v is None else "< 0.001" if v < 1e-3 else f"{v:.2g}" for v in found
    ]


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
        print(f"{options.path} is stale; run {OWN}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
