"""Every family trains as the plain loop trains it: its windows, bounds, norms and biases too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from odd_models import KINDS, ODD, UNKNOWN, WINDOW, make_odd_model, odd_spec

from harness.plugins import find_peft_method
from harness.recipe import Choice
from harness.training.fast.attention import PACKED_ATTENTION
from harness.training.optimizers import make_optimizer
from harness.training.rows.example_order import example_order
from harness.training.trainer import Trainer

BENCH = Path(__file__).resolve().parents[2] / "bench" / "speed"
STEPS = 10


@pytest.fixture
def train_odd(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Trainer, list[float], list[float]]]:
    """Return a function that trains a family's model by the harness and by the plain loop."""
    from tiny_run import tiny_run

    monkeypatch.syspath_prepend(BENCH)

    def run(
        kind: str, name: str = "dora", dropout: float = 0.0, own_code: bool = False, **train: Any
    ) -> Any:
        folder = make_odd_model(kind, tiny_model, tmp_path / kind)
        model = odd_spec(kind).with_values(trust_remote_code=own_code)
        targets = tuple(dict.fromkeys(i.name.rsplit(".", 1)[-1] for i in model.linears()))
        method = find_peft_method(f"standard/{name}", "standard").value
        params = method.params.model_validate(
            {"r": 3, "dropout": dropout, "target_modules": targets}
        )
        chosen = {"max_steps": STEPS, "learning_rate_max": 2e-2} | train
        tiny = tiny_run(folder, **chosen)
        spec = tiny.spec.with_values(
            model=model.model_dump(),
            peft=Choice(name=f"standard/{name}", params=params.model_dump()).model_dump(),
        )
        trainer = Trainer(spec, tiny.challenge, tiny.assets, method, params)
        ours = trainer.train(trainer.initial(), 1, 0)
        return trainer, ours.step_losses, plain_losses_of(trainer, folder, ours.learning_rate)

    return run


def plain_losses_of(trainer: Trainer, folder: Path, rate: float) -> list[float]:
    """Return the losses of a padded loop over transformers' own attention and peft's layers."""
    from peft import get_peft_model, set_peft_model_state_dict
    from plain_training import plain_batch, plain_losses
    from transformers import AutoModelForCausalLM

    from harness.spec import derived_seed

    spec, train = trainer.spec, trainer.spec.train
    base = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    for parameter in base.parameters():
        parameter.requires_grad = False
    model = get_peft_model(base, trainer.adapter.config)
    start = {key: torch.from_numpy(values) for key, values in trainer.initial().items()}
    set_peft_model_state_dict(model, start)
    examples = trainer.rows.examples(0)
    order = example_order(spec, 0, 1, len(examples))
    size = train.batch_size
    batches = [
        plain_batch([examples[i] for i in order[at : at + size]], 0)
        for at in range(0, train.max_steps * size, size)
    ]
    longest = max(len(example.ids) for example in examples)
    assert longest > WINDOW, "a window that no example reaches shows nothing"
    torch.manual_seed(derived_seed(spec.seed, "dropout", 1, 0))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(train, trained, rate)
    return plain_losses(model.train(), batches, optimizer, train.max_grad_norm)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_losses_are_the_plain_loop_s(train_odd: Any, kind: str) -> None:
    trainer, ours, theirs = train_odd(kind)
    assert len(ours) == len(theirs) == STEPS
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert max(theirs) - min(theirs) > 0.05, "the losses must move for this to say something"
    assert trainer.describe().note == ""


@pytest.mark.parametrize(("kind", "name"), [("gemma2", "dora"), ("qwen2", "lora")])
def test_exact_peft_draws_and_computes_as_the_plain_loop_does(
    train_odd: Any, kind: str, name: str
) -> None:
    trainer, ours, theirs = train_odd(kind, name, dropout=0.3, exact_peft=True)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert trainer.describe().note == "peft's own layers on padded batches"


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_family_out_of_transformers_modules_trains_as_the_plain_loop(
    train_odd: Any, kind: str
) -> None:
    trainer, ours, theirs = train_odd(kind)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert max(theirs) - min(theirs) > 0.05
    assert trainer.describe().note == (
        "the model's own attention on padded batches: its family is not in the table"
    )


def test_where_a_model_s_own_code_may_run_its_own_attention_trains_it(train_odd: Any) -> None:
    trainer, ours, theirs = train_odd("mistral", own_code=True, max_steps=3)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert trainer.model.config._attn_implementation != PACKED_ATTENTION
    assert trainer.describe().note == (
        "the model's own attention on padded batches: code of its own may run"
    )


def test_without_it_a_record_of_dora_with_dropout_says_whose_the_dropout_is(train_odd: Any) -> None:
    trainer, ours, theirs = train_odd("qwen3", "dora", dropout=0.3, max_steps=2)
    assert max(abs(a - b) / b for a, b in zip(ours, theirs, strict=True)) > 1e-3
    assert trainer.describe().note == (
        "DoRA's dropout is on the low-rank path alone; train.exact_peft gives peft's"
    )


def test_a_record_says_of_a_model_s_own_dropout_how_it_is_drawn(
    train_odd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ODD, "granite", ODD["granite"] | {"attention_dropout": 0.3})
    trainer, ours, theirs = train_odd("granite", max_steps=1)
    assert ours != theirs
    assert trainer.describe().note == (
        "the model's attention_dropout: drawn once for what examples of a batch share"
    )
    _, ours, theirs = train_odd("granite", max_steps=1, exact_peft=True)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
