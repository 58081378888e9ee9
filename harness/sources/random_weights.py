"""Make a small random model: `python -m harness.sources.random_weights CONFIG TOKENIZER FOLDER`.

Run by `harness.sources.random_model`, in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def make(config: dict[str, object], tokenizer: Path, folder: Path) -> None:
    """Write weights (float32 safetensors), configuration and tokenizer.

    Args:
        config: keys of config.json.
        tokenizer: folder with the tokenizer's files.
        folder: where to write; must not exist.
    """
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    kind = str(config.pop("model_type"))
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**config, **ids))
    model.generation_config.cache_implementation = None
    model.to(torch.float32).save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copy(tokenizer / name, folder)


if __name__ == "__main__":
    make(json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
