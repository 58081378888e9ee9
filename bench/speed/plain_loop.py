"""The reference that the fast decoder is measured and tested against: one plain batch at a time.

It does what upstream's script does under transformers 4.x, nothing more: pad the batch, decode all
rows greedily until every one has met EOS or the batch its maximum length, then read the texts.
Nothing is retired, merged or dequantised ahead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache

from harness.library_internals.transformers import cache_argument


@torch.inference_mode()
def decode_batch(
    model: Any, tokenizer: Any, prompts: Sequence[str], max_length: int
) -> list[list[int]]:
    """Return prompt and continuation of every row of one batch, pads included.

    Args:
        model: causal language model; its output head may be larger than the tokenizer.
        tokenizer: with a pad token; its own padding side is used.
        prompts: one batch.
        max_length: tokens of prompt, pads and continuation.
    """
    tokens = tokenizer(list(prompts), return_tensors="pt", padding=True)
    device = model.device
    ids, mask = tokens["input_ids"].to(device), tokens["attention_mask"].to(device)
    cache, name = DynamicCache(), cache_argument(model)
    done = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    fed, columns = ids, torch.arange(ids.shape[1], device=device)
    while True:
        positions = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 1)[:, -fed.shape[1] :]
        seen = (torch.arange(mask.shape[1], device=device)[None, :] <= columns[:, None])[
            None
        ] & mask[:, None].bool()
        # A row of nothing but hidden slots would be NaN; on the left pads it is never read.
        seen |= ~seen.any(-1, keepdim=True)
        logits = model(
            input_ids=fed,
            attention_mask=seen[:, None],
            position_ids=positions,
            **{name: cache},
            use_cache=True,
        ).logits[:, -1]
        new = logits.argmax(-1).masked_fill(done, tokenizer.eos_token_id)
        ids = torch.cat([ids, new[:, None]], dim=1)
        mask = torch.cat([mask, torch.ones_like(new)[:, None]], dim=1)
        done |= new == tokenizer.eos_token_id
        if bool(done.all()) or ids.shape[1] >= max_length:
            rows: list[list[int]] = ids.tolist()
            return rows
        fed, columns = new[:, None], torch.tensor([ids.shape[1] - 1], device=device)


def texts(
    model: Any, tokenizer: Any, prompts: Sequence[str], batch_size: int, max_length: int
) -> Iterator[str]:
    """Yield the decoded text of every row in order, special tokens left out."""
    for first in range(0, len(prompts), batch_size):
        batch = prompts[first : first + batch_size]
        for ids in decode_batch(model, tokenizer, batch, max_length):
            yield tokenizer.decode(ids, skip_special_tokens=True)


def load_quantized(
    model_dir: Path,
    adapter: Path | None,
    seed: int,
    padded: bool = True,
    device: str = "cpu",
) -> tuple[Any, Any]:
    """Load model and tokenizer as upstream's script does: 4-bit layers, the adapter beside them.

    bitsandbytes computes 4-bit layers in bfloat16 on a CPU that has AVX512-BF16, whatever the
    compute type asked for; that path is switched off, because the protocol says float32.
    """
    import bitsandbytes.nn.modules as modules
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    modules.has_avx512bf16 = lambda: False
    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_pretrained(
        model_dir,
        quantization_config=BitsAndBytesConfig(load_in_4bit=True),
        dtype=torch.float32,
        attn_implementation="sdpa",
        device_map={"": device},
    )
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter, torch_dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(model_dir)
    if padded and (not tokenizer.pad_token or tokenizer.pad_token_id == tokenizer.eos_token_id):
        tokenizer.add_special_tokens({"pad_token": "[PAD]"})
        model.resize_token_embeddings(len(tokenizer))
    return model.eval(), tokenizer
