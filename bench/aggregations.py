"""Aggregations side by side on the real model, with seeds and intervals, in one process.

    python bench/aggregations.py --mirror DIR --json FILE [--seeds 1 2 3] [--only NAME ...]

SmolLM2-135M-Instruct with a LoRA of rank 8 on the attention, the training rows and the prompt of
smollm2-dora/135m; no Ray and no evaluation set: every arm of a seed trains the same rows in the
same order, and is measured by its loss on rows that no client has. The model is loaded once a seed,
and what a client makes of the same adapter in the same round is computed once for all arms. The
file is written after every arm, and arms that are in it are not run again. `--table FILE` prints
the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from harness.components import HISTORY, LocalObjective, RoundPlan
from harness.federation.rehearsal.clients import Arrays
from harness.federation.rehearsal.small_federation import SmallFederation
from harness.planning.component_checks import round_plan
from harness.planning.forecast import message_bytes
from harness.planning.resolve import Request, Resolved, resolve
from harness.testing.laws import gauge_number

RECIPE = "smollm2-dora/135m"
LORA = ("peft=standard/lora", "peft.r=8", "peft.alpha=16", "peft.dropout=0.0",
        'peft.target_modules=["q_proj", "v_proj"]')  # fmt: skip
HELD_OUT = 49
"""Partition whose rows no client trains on."""
CONDITION = 10.0
"""Of the gauge that the numbers beside the losses are for."""

STRATEGIES: dict[str, tuple[str, ...]] = {
    "fedavg": ("strategy=standard/fedavg",),
    "fedprox": ("strategy=standard/fedprox",),
    "fedavgm": ("strategy=standard/fedavgm",),
    "fedadam": ("strategy=standard/fedadam", "strategy.eta=0.002"),
    "fedyogi": ("strategy=standard/fedyogi", "strategy.eta=0.002"),
    "fedmedian": ("strategy=standard/fedmedian",),
    "krum": ("strategy=standard/krum", "strategy.num_malicious_nodes=0"),
    "multikrum": ("strategy=standard/multikrum", "strategy.num_malicious_nodes=0",
                  "strategy.num_nodes_to_select=2"),
    "dp-server-side": ("strategy=standard/dp-server-side",),
    "flexlora": ("strategy=standard/flexlora",),
    "flora": ("strategy=standard/flora",),
    "ffa-lora": ("strategy=standard/ffa-lora",),
    "rolora": ("strategy=standard/rolora",),
    "fedsa-lora": ("strategy=standard/fedsa-lora",),
    "fedex-lora": ("strategy=federated-lora/fedex-lora",),
    "fedsvd": ("strategy=federated-lora/fedsvd",),
    "lora-fair": ("strategy=federated-lora/lora-fair",),
    "hetlora": ("strategy=federated-lora/hetlora",),
}  # fmt: skip
"""Not here: fedadagrad and dp-client-side, which go as fedyogi and dp-server-side do;
fedtrimmedavg, which cuts nobody of three clients; qfedavg, which weighs by losses that the small
federation has not; scaffold and rebased, which ask for another optimizer and another method."""


class Seed:
    """Everything of one seed: the base model, its partitions and the held-out rows."""

    def __init__(self, seed: int, options: argparse.Namespace) -> None:
        """Load the model once for all arms."""
        from harness.sources.assets import locate
        from harness.training.trainer import Trainer

        self.options, self.seed = options, seed
        self.plan = self.resolved(STRATEGIES["fedavg"])
        parts, spec = self.plan.components, self.plan.spec
        assets = locate(spec, self.plan.challenge, options.mirror)
        self.trainer = Trainer(spec, self.plan.challenge, assets, parts.method, parts.peft_params)
        self.rows = self.trainer.rows.examples(HELD_OUT)[: options.rows]
        self.names = self.trainer.initial().keys()
        self.updates: dict[str, tuple[Arrays, float]] = {}
        self.computed = 0

    def resolved(self, strategy: Sequence[str]) -> Resolved:
        """Return the plan of a strategy."""
        sizes = (f"rounds={self.options.rounds}", f"max_steps={self.options.steps}",
                 "batch_size=2", "fraction=0.06", "learning_rate_max=0.003")  # fmt: skip
        return resolve(
            Request(RECIPE, overrides=(*LORA, *strategy, *sizes), seed=self.seed, device="cpu")
        )

    def loss(self, adapter: Arrays, scale: float) -> float:
        """Return the mean loss of a label token on the held-out rows, with a plain LoRA on top."""
        import torch

        from harness.training.history import history_added

        trainer = self.trainer
        still = {n: np.zeros_like(v) if "lora_B" in n else v for n, v in trainer.initial().items()}
        trainer.adapter.load(still)
        beside = {
            HISTORY + n: (v * np.float32(scale) if "lora_B" in n else v) for n, v in adapter.items()
        }
        trainer.model.eval()
        labels = sum(len(row.ids) - row.response_start for row in self.rows)
        total = 0.0
        with torch.no_grad(), history_added(trainer.model, beside, "cpu"):
            for start in range(0, len(self.rows), 8):
                total += float(trainer.gradients.loss(self.rows[start : start + 8], labels))
        return total

    def run(self, name: str) -> dict[str, Any]:
        """Run one arm and return its figures."""
        plan = self.resolved(STRATEGIES[name])
        parts = plan.components
        context = context_of(plan)
        moves = [
            round_plan(plan.spec.strategy.name, parts.strategy, parts.strategy_params, context, n)
            for n in range(1, self.options.rounds + 1)
        ]
        losses: list[float] = []

        def train(held: Arrays, round: int, partition: int) -> Arrays:
            # The federation's clients do what follows training; the trainer has the loss term.
            found, loss = self.trained(held, round, partition, moves[round - 1], federation)
            losses.append(loss)
            return found

        start = {n: v for n, v in self.trainer.initial().items() if n in context.shapes}
        federation = SmallFederation(
            parts.strategy, parts.strategy_params, context, train, initial=start
        )
        begin, before = time.process_time(), self.computed
        adapter = federation.rounds(self.options.rounds)
        sizes = sum(message_bytes(m.down) + message_bytes(m.up) for m in moves)
        return {
            "loss": self.loss(adapter, 2.0),
            "train_losses": losses,
            "bytes": context.clients_per_round * sizes,
            "gauge": gauge_number(parts.strategy, parts.strategy_params, small(plan), CONDITION),
            "computed": self.computed - before,
            "cpu_s": round(time.process_time() - begin, 1),
        }

    def trained(
        self, held: Arrays, round: int, partition: int, moves: RoundPlan, among: SmallFederation
    ) -> tuple[Arrays, float]:
        """Return what a client makes of what it holds, and its loss; computed once for all arms."""
        part = among.objective
        term = None if part is None else part.loss
        whole = hashlib.sha256(repr((round, partition, sorted(moves.train))).encode())
        whole.update(b"" if term is None or part is None else part.name.encode())
        for name, values in held.items():
            whole.update(name.encode() + values.tobytes())
        key = whole.hexdigest()
        if key not in self.updates:
            shapes = {n: v.shape for n, v in held.items()}
            own = {n: shapes[n] for n in shapes if n in self.names}
            if term is not None and part is not None:
                self.trainer.gradients.objective = LocalObjective(
                    name=part.name, loss=term, reads=part.reads
                )
            update = self.trainer.train(
                dict(held), round, partition, {}, RoundPlan(down=shapes, up=own, train=moves.train)
            )
            self.trainer.gradients.objective = None
            self.updates[key] = update.arrays, update.train_loss
            self.computed += 1
        arrays, loss = self.updates[key]
        return {name: np.array(values) for name, values in arrays.items()}, loss


def context_of(plan: Resolved) -> Any:
    """Return what the strategy of a plan knows of its run."""
    from harness.planning.component_checks import adapter_shapes, strategy_context

    parts, spec = plan.components, plan.spec
    shapes = adapter_shapes(spec.peft.name, parts.method, spec.model, parts.peft_params)
    return strategy_context(spec, plan.challenge, parts, shapes)


def small(plan: Resolved) -> Any:
    """Return the small run of the kit, for the gauge number."""
    from harness.plugins import load
    from harness.testing.strategy_checks import sample_context

    owner = plan.spec.strategy.name.partition("/")[0]
    return sample_context(plan.components.strategy, load(owner))


def table(path: Path) -> str:
    """Return the table of a finished file, Markdown."""
    from harness.side_by_side.intervals import mean_interval

    data = json.loads(path.read_text(encoding="utf-8"))
    arms, base = data["arms"], data["arms"]["fedavg"]
    untrained = mean_interval(list(data["untrained"].values()))
    lines = ["| strategy | held-out loss | beside FedAvg | MiB | gauge number at 10 |",
             "|---|---|---|---|---|"]  # fmt: skip
    for name in STRATEGIES:
        found = arms.get(name, {})
        seeds = [seed for seed in found if seed in base]
        if len(seeds) < 2:
            lines.append(f"| `{name}` | not run | | | |")
            continue
        mean, half = mean_interval([found[seed]["loss"] for seed in seeds])
        more, either = mean_interval([found[seed]["loss"] - base[seed]["loss"] for seed in seeds])
        one = next(iter(found.values()))
        gauge = "one factor" if one["gauge"] is None else f"{one['gauge']:.2g}"
        lines.append(
            f"| `{name}` | {mean:.3f} ± {half:.3f} | {more:+.4f} ± {either:.4f} |"
            f" {one['bytes'] / 2**20:.2f} | {gauge} |"
        )
    lines += ["", f"untrained: {untrained[0]:.3f} ± {untrained[1]:.3f}"]
    lines.append(f"rank correlation of gauge number and loss: {correlation(arms)}")
    return "\n".join(lines)


def correlation(arms: dict[str, Any]) -> str:
    """Return Spearman's rank correlation of the gauge numbers with the mean losses."""
    from scipy.stats import spearmanr

    pairs = [
        (next(iter(found.values()))["gauge"], np.mean([item["loss"] for item in found.values()]))
        for name, found in arms.items()
        if name in STRATEGIES and next(iter(found.values()))["gauge"] is not None
    ]
    if len(pairs) < 3:
        return "too few arms"
    rho, p = spearmanr(*zip(*pairs, strict=True))
    return f"{rho:.2f} over {len(pairs)} strategies, p {p:.2f}"


def main() -> None:
    """Run what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--json", type=Path, default=Path("aggregations.json"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--only", nargs="*", default=[*STRATEGIES])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rows", type=int, default=24, help="held-out rows")
    parser.add_argument("--budget-s", type=float, default=math.inf, help="no arm begins later")
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    if options.table:
        print(table(options.table))
        return
    begin = time.monotonic()
    done: dict[str, Any] = {"untrained": {}, "arms": {}}
    if options.json.is_file():
        done = json.loads(options.json.read_text(encoding="utf-8"))
    for seed in options.seeds:
        missing = [n for n in options.only if str(seed) not in done["arms"].get(n, {})]
        if not missing or time.monotonic() - begin > options.budget_s:
            continue
        here = Seed(seed, options)
        done["untrained"][str(seed)] = here.loss(here.trainer.initial(), 0.0)
        for name in missing:
            if time.monotonic() - begin > options.budget_s:
                break
            done["arms"].setdefault(name, {})[str(seed)] = here.run(name)
            options.json.write_text(json.dumps(done, indent=1), encoding="utf-8")
            found = done["arms"][name][str(seed)]
            print(seed, name, round(found["loss"], 4), found["cpu_s"], flush=True)


if __name__ == "__main__":
    main()
