"""The tokenizer that clients load gives no token that the model has no row for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.errors import SourceError
from harness.training.base_model import load_tokenizer


def test_a_pad_token_that_only_transformers_adds_is_refused(
    tiny_model: Path, tmp_path: Path
) -> None:
    """Without it a run would end in its evaluation, which pads: an IndexError after training."""
    from harness_tiny import MODEL

    folder = shutil.copytree(tiny_model, tmp_path / "model")
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text()) if file.is_file() else {}
    config |= {"tokenizer_class": "Qwen2TokenizerFast"}
    config.pop("pad_token", None)
    file.write_text(json.dumps(config))
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    for path in (file, folder / "tokenizer.json"):  # what Qwen2's class pads with is not there
        path.write_text(path.read_text().replace("<|endoftext|>", "<|nothing|>"))
    added = load_tokenizer(MODEL.with_values(vocab=100_000), str(folder)).pad_token_id
    assert added >= MODEL.vocab
    load_tokenizer(MODEL.with_values(vocab=added + 1), str(folder))
    with pytest.raises(SourceError, match=f"is token {added}, .* has rows for {added}, and its"):
        load_tokenizer(MODEL.with_values(vocab=added), str(folder))
