"""`--smoke`: the same code path without hub, account or GPU.

A smoke run keeps the recipe's PEFT method, strategy, optimizer and prompt, and the challenge's
supernodes. It replaces what needs a download (the model becomes SmolLM2-135M, the text the
synthetic corpus that the board makes) and what needs hours (2 rounds of 2 short steps). Its result
is never eligible.
"""

from __future__ import annotations

from harness.components import ModelSpec
from harness.recipe import TrainSpec

SMOKE_MODEL = ModelSpec(
    name="smollm2-135m-instruct",
    hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    layers=30,
    hidden=576,
    intermediate=1536,
    heads=9,
    kv_heads=3,
    vocab=49152,
    licence="apache-2.0",
)
"""The one model whose weights come from a package registry; see `harness.sources`."""


def smoke_training(train: TrainSpec) -> TrainSpec:
    """Return `train` cut down to a smoke run: 2 rounds of 2 steps of 4 short examples."""
    return train.with_values(
        rounds=2,
        fraction=0.1,
        max_steps=2,
        batch_size=min(train.batch_size, 4),
        gradient_accumulation_steps=1,
        seq_length=min(train.seq_length, 128),
        save_every_rounds=2,
    )
