"""`--smoke`: the same code path without hub, account or GPU.

A smoke run keeps the recipe's PEFT method, strategy, optimizer and prompt, and the challenge's
supernodes. It replaces what needs a download (a Llama becomes SmolLM2-135M, a model of another
family a small one of random weights, the text the synthetic corpus that the board makes) and what
needs hours (2 rounds of 2 short steps). Its result is never eligible.
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


RANDOM = "random/"
"""What the hub ids of models that are made in code begin with; no such organisation is asked."""


def smoke_model(model: ModelSpec) -> ModelSpec:
    """Return the model of a smoke run: SmolLM2-135M, or a small one of the recipe's own family.

    A plain Llama has the layers of SmolLM2. Another family, or a Llama with biases or with heads of
    a width of their own, is tried as what it is: the targets, biases and fused layers of the recipe
    are those of its real model. A model whose code lies in its folder cannot be made without it.

    Args:
        model: the recipe's.
    """
    odd = model.attention_bias or model.mlp_bias or model.head_dim is not None
    if model.family.own_code or (model.architecture == "llama" and not odd):
        return SMOKE_MODEL
    # Some families that the table has not compute the MLP's width: four times the hidden size.
    of_four = model.layout is not None and model.intermediate == 4 * model.hidden
    shared = model.heads // model.kv_heads
    return ModelSpec(
        name=f"random-{model.architecture}",
        hub_id=f"{RANDOM}{model.architecture}",
        architecture=model.architecture,
        layout=model.layout,
        layers=2,
        hidden=64,
        intermediate=256 if of_four else 128,
        heads=4,
        kv_heads=4 if shared == 1 else 1 if model.kv_heads == 1 else 2,
        vocab=SMOKE_MODEL.vocab,
        head_dim=None if model.head_dim is None else 32,
        attention_bias=model.attention_bias,
        mlp_bias=model.mlp_bias,
        tied_embeddings=model.tied_embeddings,
        quantization=model.quantization,
        dtype=model.dtype,
    )


def smoke_training(train: TrainSpec) -> TrainSpec:
    """Return `train` cut down to a smoke run: 2 rounds of 2 steps of 2 short examples."""
    return train.with_values(
        rounds=2,
        fraction=0.1,
        max_steps=2,
        batch_size=min(train.batch_size, 2),
        gradient_accumulation_steps=1,
        seq_length=min(train.seq_length, 128),
        save_every_rounds=2,
    )
