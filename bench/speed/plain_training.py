"""The plain loop: local training as the template describes it, with no thought for speed.

Written from the leaderboard's rules and public documentation of transformers and peft. It is what
the harness's training is compared with, in figures by `bench/speed/step.py` and in
losses by a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from harness.components import ModelSpec, PeftMethod
from harness.document import Document
from harness.training.optimizers import make_optimizer
from harness.training.rows.example_order import example_order
from harness.training.rows.examples import Example
from harness.training.trainer import Trainer

IGNORED = -100
"""Label that transformers leaves out of the loss."""


def plain_model(
    model: ModelSpec,
    model_dir: str,
    method: PeftMethod,
    params: Document,
    checkpointing: bool,
    device: str = "cpu",
) -> Any:
    """Return a 4-bit base with an adapter, as peft's documentation makes one.

    Args:
        model: gives the type that weights are read in.
        model_dir: folder with safetensors and config.
        method: the PEFT method.
        params: its parameters.
        checkpointing: whether layers are computed again on the way back.
        device: "cpu", or "cuda", where 4-bit layers multiply in the model's type.
    """
    from peft import get_peft_model
    from peft.utils import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    base = AutoModelForCausalLM.from_pretrained(
        model_dir,
        dtype=getattr(torch, model.dtype),
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_compute_dtype=getattr(torch, "float32" if device == "cpu" else model.dtype),
        ),
        device_map={"": device},
        local_files_only=True,
    )
    base = prepare_model_for_kbit_training(
        base,
        use_gradient_checkpointing=checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
    )
    base.config.use_cache = False
    return get_peft_model(base, method.configure(model, params))


def plain_batch(examples: Sequence[Example], pad: int) -> dict[str, torch.Tensor]:
    """Return a right-padded batch: ids, mask and labels, each (batch, longest)."""
    length = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), length), pad)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for row, example in enumerate(examples):
        size = len(example.ids)
        ids[row, :size] = torch.tensor(example.ids)
        mask[row, :size] = 1
        start = example.response_start
        labels[row, start:size] = ids[row, start:size]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def plain_step(model: Any, batch: dict[str, torch.Tensor]) -> float:
    """Add the gradients of one batch; return its loss, from logits at every position."""
    loss = model(**batch).loss
    loss.backward()
    return float(loss.detach())


def plain_losses(
    model: Any,
    batches: Iterable[dict[str, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    max_grad_norm: float,
) -> list[float]:
    """Train on each batch; return the losses."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    losses = []
    for batch in batches:
        losses.append(plain_step(model, batch))
        torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
    return losses


def plain_run(
    trainer: Trainer, model_dir: str, method: PeftMethod, params: Document, learning_rate: float
) -> list[float]:
    """Return the plain loop's losses of what `trainer` does in round 1 on partition 0.

    The same initial adapter, examples, order, optimizer and number of steps.
    """
    from peft import set_peft_model_state_dict

    spec, train = trainer.spec, trainer.spec.train
    plain = plain_model(spec.model, model_dir, method, params, False)
    start = {key: torch.from_numpy(values) for key, values in trainer.initial().items()}
    set_peft_model_state_dict(plain, start)
    plain.train()
    examples = trainer.rows.examples(0)
    order = example_order(spec, 0, 1, len(examples))
    size, pad = train.batch_size, trainer.tokenizer.pad_token_id
    batches = [
        plain_batch([examples[i] for i in order[at : at + size]], pad)
        for at in range(0, train.max_steps * size, size)
    ]
    trained = [p for p in plain.parameters() if p.requires_grad]
    optimizer = make_optimizer(train, trained, learning_rate)
    return plain_losses(plain, batches, optimizer, train.max_grad_norm)
