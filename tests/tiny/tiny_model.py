"""The tiny model's folder: random weights, a tokenizer trained on the synthetic corpus."""

from __future__ import annotations

from pathlib import Path

from harness_tiny import MODEL

from harness.boards.challenge import load_challenge
from harness.boards.registry import protocol_of


def make_tiny_model(folder: Path) -> Path:
    """Write config, weights and tokenizer; the same bytes every time.

    Returns:
        The folder, loadable by transformers.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    rows = protocol_of(load_challenge("finance")).smoke_training()[:200]
    texts = [f"\n### Instruction:\n{r['instruction']} {r['input']}\n### Response: " for r in rows]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MODEL.vocab,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=MODEL.vocab,
        hidden_size=MODEL.hidden,
        intermediate_size=MODEL.intermediate,
        num_hidden_layers=MODEL.layers,
        num_attention_heads=MODEL.heads,
        num_key_value_heads=MODEL.kv_heads,
        tie_word_embeddings=True,
        max_position_embeddings=512,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
