"""Are the losses the plain loop's? `python bench/speed/losses.py` compares them step by step.

SmolLM2-135M in 4-bit, real finance rows, LoRA and DoRA r=32 on the MLP, float32, dropout off; the
plain loop pads, keeps all logits and checkpoints nothing. Needs the mirror (`HARNESS_MIRROR`).
"""

from __future__ import annotations

import argparse
import json

from plain_training import plain_run

from harness.planning.resolve import Request, resolve
from harness.plugins import find_peft_method
from harness.sources import locate
from harness.training.trainer import Trainer


def losses(method: str, chosen: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Return the harness's and the plain loop's loss of each step."""
    values = {"batch_size": chosen.batch, "max_steps": chosen.steps, "peft.r": 32, "peft.alpha": 64}
    values |= {"peft.dropout": 0.0, "model.dtype": "float32", "optimizer": chosen.optimizer}
    values |= {"learning_rate_max": chosen.rate, "learning_rate_min": chosen.rate}
    sets = tuple(f"{key}={value}" for key, value in values.items())
    request = Request("smollm2-dora/135m", overrides=sets, device="cpu", threads=chosen.threads)
    resolved = resolve(request)
    found = find_peft_method(f"standard/{method}", "standard").value
    peft = {"name": f"standard/{method}", "params": dict(resolved.spec.peft.params)}
    spec = resolved.spec.with_values(peft=peft)
    assets = locate(spec, resolved.challenge, None)
    params = found.params.model_validate(spec.peft.params)
    trainer = Trainer(spec, resolved.challenge, assets, found, params)
    ours = trainer.train(trainer.initial(), 1, 0)

    plain = plain_run(trainer, assets.model_dir, found, params, ours.learning_rate)
    return ours.step_losses, plain


def main() -> None:
    """Compare and print one JSON line per method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rate", type=float, default=5e-5, help="the template's: 5e-5")
    parser.add_argument("--optimizer", default="adamw_torch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--methods", nargs="*", default=["lora", "dora"])
    chosen = parser.parse_args()
    for method in chosen.methods:
        ours, plain = losses(method, chosen)
        apart = [abs(a - b) / b for a, b in zip(ours, plain, strict=True)]
        result = {
            "method": method,
            "first": [ours[0], plain[0]],
            "last": [ours[-1], plain[-1]],
            "largest_relative_difference": max(apart),
            "at_step": apart.index(max(apart)) + 1,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
