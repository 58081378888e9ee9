"""The keys of the FlowerTune template's run config, and this harness's names for the same settings.

One table for both directions: an exported app writes its settings under these keys, and an imported
project's settings are read from them.
"""

from __future__ import annotations

TEMPLATE_KEYS: dict[str, tuple[str, ...]] = {
    "model": ("model.name",),
    "quantization": ("model.quantization",),
    "rank": ("model.lora.peft-lora-r",),
    "alpha": ("model.lora.peft-lora-alpha",),
    "dora": ("model.lora.peft-use-dora", "model.lora.use-dora"),
    "targets": ("model.lora.peft-lora-target-modules", "model.lora.target-modules"),
    "save_every_rounds": ("train.save-every-round",),
    "new_order_every_round": ("train.dynamic-data-seed",),
    "learning_rate_max": ("train.learning-rate-max",),
    "learning_rate_min": ("train.learning-rate-min",),
    "seq_length": ("train.seq-length",),
    "batch_size": ("train.training-arguments.per-device-train-batch-size",),
    "gradient_accumulation_steps": ("train.training-arguments.gradient-accumulation-steps",),
    "max_steps": ("train.training-arguments.max-steps",),
    "optimizer": ("train.training-arguments.optim",),
    "strategy": ("strategy.name",),
    "fraction": ("strategy.fraction-train", "strategy.fraction-fit"),
    "fraction_evaluate": ("strategy.fraction-evaluate",),
    "rounds": ("num-server-rounds",),
    "seed": ("seed",),
    "peft": ("peft.name",),
    "dataset": ("static.dataset.name", "dataset.name"),
}
"""Setting -> its keys, dotted, the newest first: that one is written, each of them is read.

The rank of an adapter is `rank` here; `r` is peft's word, and `peft-lora-r` the template's.

Source: [tool.flwr.app.config] of the leaderboard's templates, 2024-10 to 2026-03; `peft.name`, the
seed and the strategy's name are this harness's additions.
"""
