"""Aggregations and codecs side by side on the real model, with seeds and intervals, in one process.

    python bench/aggregations.py --mirror DIR --json FILE [--seeds 1 2 3] [--only NAME ...]

SmolLM2-135M-Instruct with a LoRA of rank 8 on the attention, the training rows and the prompt of
smollm2-dora/135m; no Ray and no evaluation set: every arm of a seed trains the same rows in the
same order, and is measured by its loss on rows that no client has. The file is written after every
arm, and arms that are in it are not run again. `--table FILE` prints the tables.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from harness.codec.choice import Codec, described
from harness.codec.coding import encode
from harness.codec.sizes import goes
from harness.components import HISTORY, LocalObjective, RoundPlan
from harness.planning.component_checks import round_plan
from harness.planning.forecast import sent_bytes
from harness.planning.resolve import Request, Resolved, resolve
from harness.testing.clients import Arrays
from harness.testing.in_process import SmallFederation
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
    "fedmedian": ("strategy=standard/fedmedian",),
    "krum": ("strategy=standard/krum", "strategy.num_malicious_nodes=0"),
    "flexlora": ("strategy=standard/flexlora",),
    "flora": ("strategy=standard/flora",),
    "ffa-lora": ("strategy=standard/ffa-lora",),
    "rolora": ("strategy=standard/rolora",),
    "fedsa-lora": ("strategy=standard/fedsa-lora",),
    "fedex-lora": ("strategy=federated-lora/fedex-lora",),
    "fedsvd": ("strategy=federated-lora/fedsvd",),
    "lora-fair": ("strategy=federated-lora/lora-fair",),
    "hetlora": ("strategy=federated-lora/hetlora",),
}
CODECS = {
    f"codec {name}": Codec(name=name)  # type: ignore[arg-type]
    for name in ("float16", "bfloat16", "int8", "top-k", "low-rank")
}


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
        self.rows = self.trainer.examples(HELD_OUT)[: options.rows]

    def resolved(self, strategy: Sequence[str]) -> Resolved:
        """Return the plan of a strategy."""
        sizes = (f"rounds={self.options.rounds}", f"max_steps={self.options.steps}",
                 "batch_size=4", "fraction=0.06", "learning_rate_max=0.003")  # fmt: skip
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
                total += float(trainer._loss(self.rows[start : start + 8], labels))
        return total

    def run(self, name: str) -> dict[str, Any]:
        """Run one arm and return its figures."""
        codec = CODECS.get(name)
        plan = self.resolved(STRATEGIES.get(name, STRATEGIES["fedavg"]))
        parts, trainer = plan.components, self.trainer
        context = context_of(plan)
        strategy = plan.spec.strategy.name
        carried: dict[int, Arrays] = {}
        losses: list[float] = []
        down, up = goes(codec, "down"), goes(codec, "up")

        def train(held: Arrays, round: int, partition: int) -> Arrays:
            begun = dict(held) if down is None else encode(down, held).decoded
            moves = round_plan(strategy, parts.strategy, parts.strategy_params, context, round)
            shapes = {n: v.shape for n, v in begun.items()}
            whole = RoundPlan(down=shapes, up=dict(context.shapes), train=moves.train)
            done = trainer.train(begun, round, partition, {}, whole)
            losses.append(done.train_loss)
            if up is None:
                return done.arrays
            sent = encode(up, done.arrays, begun, carried.get(partition))
            if up.feedback:
                carried[partition] = sent.left_out
            return sent.decoded

        federation = SmallFederation(
            parts.strategy, parts.strategy_params, context, train,
            initial={n: v for n, v in trainer.initial().items() if n in context.shapes},
        )  # fmt: skip
        part = federation.objective
        # The federation's clients do the work after training; the trainer has the loss term.
        trainer._objective = None if part is None or part.loss is None else LocalObjective(
            name=part.name, loss=part.loss, reads=part.reads
        )  # fmt: skip
        begin = time.process_time()
        adapter = federation.rounds(self.options.rounds)
        trainer._objective = None
        moves = [
            round_plan(strategy, parts.strategy, parts.strategy_params, context, number)
            for number in range(1, self.options.rounds + 1)
        ]
        clients = context.clients_per_round
        traffic = clients * sum(
            sent_bytes(m.down, codec, "down") + sent_bytes(m.up, codec, "up") for m in moves
        )
        return {
            "loss": self.loss(adapter, 2.0),
            "train_losses": losses,
            "bytes": traffic,
            "gauge": gauge_number(parts.strategy, parts.strategy_params, small(plan), CONDITION),
            "cpu_s": round(time.process_time() - begin, 1),
        }


def context_of(plan: Resolved) -> Any:
    """Return what the strategy of a plan knows of its run."""
    from harness.planning.component_checks import adapter_shapes
    from harness.planning.resolve import strategy_context

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
    """Return the tables of a finished file, Markdown."""
    from harness.side_by_side.intervals import mean_interval

    data = json.loads(path.read_text(encoding="utf-8"))
    arms, base = data["arms"], data["arms"]["fedavg"]
    untrained = mean_interval(list(data["untrained"].values()))
    lines = []
    for title, names in (("strategy", STRATEGIES), ("codec", {"fedavg": (), **CODECS})):
        lines += ["", f"| {title} | held-out loss | less than FedAvg | MiB | gauge number |",
                  "|---|---|---|---|---|"]  # fmt: skip
        for name in names:
            found = arms.get(name, {})
            if not found:
                lines.append(f"| {name} | not run | | | |")
                continue
            seeds = [seed for seed in found if seed in base]
            mean, half = mean_interval([found[seed]["loss"] for seed in found])
            gain = [base[seed]["loss"] - found[seed]["loss"] for seed in seeds]
            less, either = mean_interval(gain)
            one = next(iter(found.values()))
            gauge = "one factor" if one["gauge"] is None else f"{one['gauge']:.2g}"
            shown = described(CODECS[name]) if name in CODECS else name
            lines.append(
                f"| {shown} | {mean:.3f} ± {half:.3f} | {less:+.3f} ± {either:.3f} |"
                f" {one['bytes'] / 2**20:.2f} | {gauge} |"
            )
    lines += ["", f"untrained: {untrained[0]:.3f} ± {untrained[1]:.3f}"]
    lines.append(f"rank correlation of gauge number and loss given up: {correlation(arms)}")
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
    parser.add_argument("--only", nargs="*", default=[*STRATEGIES, *CODECS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rows", type=int, default=48, help="held-out rows")
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
