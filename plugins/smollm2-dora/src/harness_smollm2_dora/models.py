"""SmolLM2-Instruct (https://arxiv.org/abs/2502.02737): shapes from the models' config.json."""

from __future__ import annotations

from harness.components import ModelSpec

SMOLLM2_1_7B = ModelSpec(
    name="smollm2-1.7b-instruct",
    hub_id="HuggingFaceTB/SmolLM2-1.7B-Instruct",
    layers=24,
    hidden=2048,
    intermediate=8192,
    heads=32,
    kv_heads=32,
    vocab=49152,
    licence="apache-2.0",
)

SMOLLM2_360M = ModelSpec(
    name="smollm2-360m-instruct",
    hub_id="HuggingFaceTB/SmolLM2-360M-Instruct",
    layers=32,
    hidden=960,
    intermediate=2560,
    heads=15,
    kv_heads=5,
    vocab=49152,
    licence="apache-2.0",
)

SMOLLM2_135M = ModelSpec(
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
