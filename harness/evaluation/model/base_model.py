"""The base model as upstream's evaluation sees it, in a form that decodes fast.

Upstream quantises every linear layer of the blocks to fp4 and dequantises it again at every token.
Here that is done once: the same values, kept as float32. An adapter is merged into those values,
not into the weights of before: upstream adds it to a quantized layer's output as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.components.families import FAMILIES
from harness.errors import EvaluationError
from harness.evaluation.decoder.row_cache import CacheShape
from harness.library_internals.bitsandbytes import load_bitsandbytes
from harness.sources.generation_config import PLAIN, not_greedy

PAD_TOKEN = "[PAD]"
"""The token added when a tokenizer has no pad token or pads with EOS. Source: upstream eval.py."""

BLOCK_SIZE = 64
"""How many weights share a scale in fp4. Source: bitsandbytes `Params4bit`, `blocksize=64`, single
quantization."""


@dataclass(slots=True)
class Base:
    """A base model; an adapter may be merged into it, then a pad token added."""

    model: Any
    """transformers causal language model, float32, eval mode."""
    tokenizer: Any
    eos_id: int
    own_attention: bool = False
    """Whether it attends by itself: its code may be its folder's, or its family is not known."""

    @property
    def stop_ids(self) -> frozenset[int]:
        """The tokens that the model's generation config ends with."""
        found = self.model.generation_config.eos_token_id
        return frozenset({found} if isinstance(found, int) else found or ())

    def cache_shape(self, slots: int) -> CacheShape:
        """Return the shape of one cached row of `slots` tokens."""
        config = self.model.config
        heads = config.num_attention_heads
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
        kv_heads = getattr(config, "num_key_value_heads", None) or heads
        return CacheShape(config.num_hidden_layers, kv_heads, head_dim, slots)


def load_base(
    folder: Path,
    device: str,
    seed: int,
    trust_remote_code: bool = False,
    told_greedy: bool = False,
    noted: bool = False,
    quantized: bool = True,
) -> Base:
    """Load a base model and its tokenizer from local files.

    Args:
        folder: where config, safetensors weights, tokenizer and generation config are.
        device: `cpu` or `cuda`.
        seed: torch's seed, set before loading, as upstream does.
        trust_remote_code: whether code in the folder may run; only when the model's spec says so.
        told_greedy: see `check_greedy`.
        noted: whether the record says that the model asks for something else than greedy decoding,
            or whether it is followed in that.
        quantized: whether weights get the values that fp4 leaves of them.

    Raises:
        EvaluationError: transformers cannot load the model with torch's attention, the tokenizer
            has no EOS, or the model's generation config asks for something other than greedy
            decoding and the record does not say so.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    own = trust_remote_code or not _known_family(folder)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation=None if own else _attention(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
        )
    except ValueError as error:  # a class without torch's attention, or one that is not known
        raise EvaluationError(
            f"{folder}: transformers cannot load the model ({one_line(error)}); evaluation needs"
            " one that takes torch's attention"
        ) from None
    tokenizer: Any = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=trust_remote_code
    )
    if tokenizer.eos_token_id is None:
        raise EvaluationError(
            f"{folder}: the tokenizer has no EOS token; upstream's script needs one"
        )
    if not noted:
        check_greedy(model.generation_config, str(folder), told_greedy)
    model.eval().requires_grad_(False)
    model.to(device)
    if quantized:
        quantize_once(model)
    return Base(model, tokenizer, int(tokenizer.eos_token_id), own)


def _known_family(folder: Path) -> bool:
    """Whether a model is of the table of families, whose attention the harness knows."""
    from transformers import PretrainedConfig

    values, _ = PretrainedConfig.get_config_dict(folder, local_files_only=True)
    return values.get("model_type") in FAMILIES


def _attention(folder: Path) -> str:
    """Return whose attention a model is loaded with: torch's, which cannot bound its scores."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    return "eager" if getattr(config, "attn_logit_softcapping", None) else "sdpa"


def quantize_once(model: Any) -> None:
    """Replace the weight of every linear layer but the output head by its fp4 values, in place."""
    load_bitsandbytes()
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    for layer in inner_linears(model):
        packed, state = quantize_4bit(
            layer.weight.data, blocksize=BLOCK_SIZE, compress_statistics=False, quant_type="fp4"
        )
        layer.weight.data = dequantize_4bit(packed, state).to(torch.float32)


def inner_linears(model: Any) -> list[nn.Linear]:
    """Return every linear layer of a model but the output head."""
    head = model.get_output_embeddings()
    return [item for item in model.modules() if isinstance(item, nn.Linear) and item is not head]


def add_pad(model: Any, tokenizer: Any) -> int:
    """Give the tokenizer the pad token that upstream would, and return its id.

    The new embedding is the mean of the old ones. transformers draws it from a normal distribution
    around that mean with a spread of 3e-5 of the embeddings'; the draw depends on what was drawn
    before and on the device, so it is left out.

    Args:
        model: transformers causal language model; its embeddings may grow in place.
        tokenizer: its pad token may be set in place.
    """
    if tokenizer.pad_token and tokenizer.pad_token_id != tokenizer.eos_token_id:
        return int(tokenizer.pad_token_id)
    old = model.get_input_embeddings().weight.shape[0]
    tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    # By identity: where the output head is the embedding, there is one table, not two.
    tables = {id(t): t for t in (model.get_input_embeddings(), model.get_output_embeddings())}
    for table in tables.values():
        if table.weight.shape[0] > old:
            mean = table.weight.data[:old].double().mean(dim=0)
            table.weight.data[old:] = mean.to(table.weight.dtype)
    return int(tokenizer.pad_token_id)


def check_greedy(config: Any, where: str, told_greedy: bool = False) -> None:
    """Check that `generate` under this generation config is plain greedy decoding.

    Args:
        config: transformers generation config of the model.
        where: the model's folder, for the message.
        told_greedy: whether upstream's script itself asks for greedy decoding.

    Raises:
        EvaluationError: a setting would sample or change scores; each is named.
    """
    found = not_greedy({name: getattr(config, name, None) for name in PLAIN}, told_greedy)
    if found:
        raise EvaluationError(
            f"{where}: the model's generation config sets {', '.join(found)}; only greedy decoding"
            " gives one answer on every machine, and this run's record does not say that it"
            " differs; start the run again"
        )


def one_line(error: Exception) -> str:
    """Return an error's text as one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]
