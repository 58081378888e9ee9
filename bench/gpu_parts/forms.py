"""What is trained beside one another: the plain loop, and the forms of the harness's step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from subject import Subject

from harness.training.fused import functions as fused
from harness.training.gradients import ClientRound

BENCH = ClientRound("the bench")
"""The round that all steps are of."""


def optimizer_of(
    trainer: Any, name: str = "adamw_torch", rate: float = 1e-5
) -> tuple[list[Any], Any]:
    """Return the trained tensors and an optimizer for them."""
    from harness.training.optimizers import make_optimizer

    trained = list(trainer.adapter.trained().values())
    train = trainer.spec.train.with_values(optimizer=name)
    return trained, make_optimizer(train, trained, rate)


def stepper(
    trainer: Any, batches: Sequence[Any], optimizer: str = "adamw_torch", rate: float = 1e-5
) -> Any:
    """Return a function that does the optimizer steps of all batches, as the trainer does."""
    trained, made = optimizer_of(trainer, optimizer, rate)

    def steps() -> list[Any]:
        trainer.model.train()
        losses = []
        for chosen in batches:
            losses.append(trainer.gradients.backward(chosen, BENCH).clone())
            torch.nn.utils.clip_grad_norm_(trained, trainer.spec.train.max_grad_norm)
            made.step()
            made.zero_grad(set_to_none=True)
        return torch.stack(losses).tolist()

    return steps


def plain_steps(
    subject: Subject, trainer: Any, checkpointing: bool, batches: Sequence[Any], rate: float = 1e-5
) -> tuple[Any, Any, Any]:
    """Return the plain loop's model, its optimizer, and a function that trains on all batches."""
    from peft import set_peft_model_state_dict
    from plain_training import plain_batch, plain_losses, plain_model

    from harness.plugins import find_peft_method
    from harness.training.optimizers import make_optimizer

    spec = trainer.spec
    method = find_peft_method(spec.peft.name, "standard").value
    params = method.params.model_validate(spec.peft.params)
    model = plain_model(
        spec.model, str(subject.model_dir), method, params, checkpointing, subject.device
    )
    start = {key: torch.from_numpy(values) for key, values in trainer.initial().items()}
    set_peft_model_state_dict(model, start)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(spec.train.with_values(optimizer="adamw_torch"), trained, rate)
    pad = trainer.tokenizer.pad_token_id or trainer.tokenizer.eos_token_id
    padded = [
        {key: value.to(subject.device) for key, value in plain_batch(batch, pad).items()}
        for batch in batches
    ]

    def steps() -> list[float]:
        losses = []
        for batch in padded:
            # For each step anew: as long as it lasts, autocast goes on with its first copy of the
            # adapter.
            with torch.autocast(subject.device, torch.bfloat16, enabled=subject.device == "cuda"):
                losses += plain_losses(model, [batch], optimizer, spec.train.max_grad_norm)
        return losses

    return model, optimizer, steps


def set_form(trainer: Any, form: str, steps_of: dict[str, Any]) -> None:
    """Let a trainer compute in one of the forms that are compared."""
    from harness.library_internals.llama_layers import llama_parts
    from harness.training.fused.model import FusedModel
    from harness.training.fused.steps import FusedSteps

    if form == "modules":
        trainer.gradients.fused = None
        return
    if "model" not in steps_of:
        steps_of["model"] = FusedModel(llama_parts(trainer.model), trainer.gradients.dtype)
    use = fused.compiled() if "compiled" in form else fused.PLAIN
    trainer.gradients.fused = FusedSteps(steps_of["model"], use, "graphs" in form)


FORMS = {
    "dora": ("modules", "fused compiled", "fused compiled graphs"),
    "lora": ("fused compiled graphs",),
}
