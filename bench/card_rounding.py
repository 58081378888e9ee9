"""What a card's own fp4 makes of a CPU's labels: `python bench/card_rounding.py RUN_DIR`.

On a CPU bitsandbytes sorts a value into the table by bucketize, where a tie goes down; its kernel
for a card compares magnitudes, where a tie goes to zero, and multiplies by a reciprocal that
`--use_fast_math` may round up or down. Here the kernel's rule is computed on the CPU, with the
reciprocal as rounded (`--ulps 0`) or the next one. Source of the rule: bitsandbytes 0.50,
csrc/kernels.cu, `dQuantizeFP4` and `kQuantizeBlockwiseSmall`.

RUN_DIR holds a finished evaluation of the finance board on a CPU. Prints one JSON object: how many
weights have another value, and how many official labels and texts are others. Five minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.boards.protocol import BoardProtocol
from harness.evaluation.engine import Engine
from harness.evaluation.evaluated_run import EvaluatedRun, official_sets, read_run
from harness.evaluation.model.base_model import BLOCK_SIZE, inner_linears, load_base
from harness.evaluation.model.merged_adapter import merge_adapter
from harness.kernel.allowance import cores

PIVOTS = (0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333)
VALUES = (0.0, 0.005208333, 0.16666667, 0.25, 0.33333333, 0.5, 0.6666667, 1.0)


def as_on_a_card(weight: Tensor, ulps: int) -> Tensor:
    """Return the values that fp4 leaves of a weight by the kernel's rule, float32.

    Args:
        weight: float32, a multiple of `BLOCK_SIZE` values.
        ulps: by how many floats the reciprocal is off: -1, 0 or 1.
    """
    blocks = weight.reshape(-1, BLOCK_SIZE)
    largest = blocks.abs().amax(1, keepdim=True)
    reciprocal = 1.0 / largest
    if ulps:
        reciprocal = torch.nextafter(reciprocal, torch.full_like(reciprocal, ulps * torch.inf))
    scaled = blocks * reciprocal
    # right=False: a magnitude that equals a pivot stays below it, as by the kernel's `>`.
    places = torch.bucketize(scaled.abs(), torch.tensor(PIVOTS), right=False)
    values = torch.tensor(VALUES)[places]
    return (torch.where(scaled < 0, -values, values) * largest).reshape(weight.shape)


def answers(run: EvaluatedRun, protocol: BoardProtocol, base: Any) -> dict[tuple[str, int], str]:
    """Return (task, row) -> the output of every official row."""
    sets = official_sets(run)
    keys = [(task, row) for task, official in sets.items() for row in range(len(official.rows))]
    engine = Engine(base, protocol, len(keys), cores())
    plans = [plan for task, official in sets.items() for plan in engine.plan(task, official.rows)]
    found = {}
    for done in engine.answers(list(enumerate(plans))):
        task, row = keys[done.row]
        context = sets[task].rows[row].context
        found[task, row] = protocol.output_of(context, done.text, done.new_text)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--ulps", type=int, choices=(-1, 0, 1), default=0)
    options = parser.parse_args()
    run = read_run(options.run_dir, "cpu", untrained=False)
    protocol, folder = run.protocol, Path(run.assets.model_dir)
    seed = protocol.decoding.seed
    here = load_base(folder, "cpu", seed)
    card = load_base(folder, "cpu", seed, quantized=False)
    changed = total = 0
    for ours, theirs in zip(inner_linears(here.model), inner_linears(card.model), strict=True):
        theirs.weight.data = as_on_a_card(theirs.weight.data, options.ulps)
        largest = ours.weight.abs().max()
        changed += int(((ours.weight - theirs.weight).abs() > 1e-6 * largest).sum())
        total += ours.weight.numel()
    assert run.adapter_dir is not None
    merge_adapter(card, run.adapter_dir)
    found = answers(run, protocol, card)
    labels = texts = 0
    for task, official in official_sets(run).items():
        lines = (run.run_dir / "generations" / f"{task}.jsonl").read_text().split("\n")
        for row, kept in enumerate(map(json.loads, filter(None, lines))):
            answer = protocol.read(task, found[task, row], official.rows[row].target).answer
            labels += answer != kept["new_out"]
            texts += found[task, row] != kept["output"]
    print(
        json.dumps(
            {
                "ulps": options.ulps,
                "weights": total,
                "weights_changed": changed,
                "rows": len(found),
                "labels_changed": labels,
                "texts_changed": texts,
            }
        )
    )


if __name__ == "__main__":
    main()
