"""The adapter merged into its base, as one safetensors model that needs neither peft nor fp4.

The weights are those that the evaluation computes with: the base's fp4 values, dequantized, with
the adapter merged into them, in float32.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.evaluation.evaluated_run import EvaluatedRun

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
    "generation_config.json", "vocab.json", "merges.txt", "tokenizer.model",
)  # fmt: skip
"""Files of a base model that say how text becomes tokens, and when an answer ends."""


def write_merged(run: EvaluatedRun, folder: Path) -> None:
    """Write the merged model of a run.

    Args:
        run: with its adapter.
        folder: where to; made where there is none, and what is in it is written over.

    Raises:
        EvaluationError: the adapter does not fit the base.
    """
    from harness.evaluation.model.base_model import load_base
    from harness.evaluation.model.merged_adapter import merge_adapter

    assert run.adapter_dir is not None
    source = Path(run.assets.model_dir)
    decoding = run.protocol.decoding
    base = load_base(
        source,
        "cpu",
        decoding.seed,
        run.spec.model.trust_remote_code,
        decoding.max_length_tokens is None,
        run.greedy_noted,
    )
    merge_adapter(base, run.adapter_dir)
    folder.mkdir(parents=True, exist_ok=True)
    base.model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
