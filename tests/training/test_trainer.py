"""An update depends on spec, round, partition and received arrays, and on nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.components import LocalObjective, LocalRound, PeftMethod
from harness.errors import FederationError, PluginError
from harness.plugins import find_peft_method

Make = Callable[..., Any]


def digest(arrays: dict[str, np.ndarray]) -> str:
    whole = hashlib.sha256()
    for name, values in arrays.items():
        whole.update(name.encode() + values.tobytes())
    return whole.hexdigest()


@pytest.mark.parametrize("optimizer", ["adamw_torch", "paged_adamw_8bit", "sgd"])
def test_same_bytes_whatever_ran_before(make_trainer: Make, optimizer: str) -> None:
    params = {"r": 4, "dropout": 0.1, "target_modules": ["gate_proj", "down_proj"]}
    trainer = make_trainer("dora", params, optimizer=optimizer)
    start = trainer.initial()
    fresh = trainer.train(start, 1, 2)
    trainer.train(fresh.arrays, 2, 4)
    torch.rand(17)
    torch.set_num_threads(2)
    again = make_trainer("dora", params, optimizer=optimizer)
    assert digest(again.initial()) == digest(start)
    assert digest(trainer.train(start, 1, 2).arrays) == digest(fresh.arrays)
    assert digest(again.train(start, 1, 2).arrays) == digest(fresh.arrays)
    assert digest(fresh.arrays) != digest(start)


def test_rounds_and_partitions_draw_their_own_dropout_and_order(make_trainer: Make) -> None:
    trainer = make_trainer("lora", {"r": 4, "dropout": 0.5, "target_modules": ["up_proj"]})
    start = trainer.initial()
    digests = {digest(trainer.train(start, r, p).arrays) for r, p in ((1, 0), (2, 0), (1, 1))}
    assert len(digests) == 3


def test_arrays_come_back_under_the_names_and_in_the_order_received(make_trainer: Make) -> None:
    trainer = make_trainer()
    start = dict(reversed(trainer.initial().items()))
    update = trainer.train(start, 1, 0)
    assert list(update.arrays) == list(start)
    assert [v.dtype for v in update.arrays.values()] == [np.float32] * len(start)
    assert update.examples == len(trainer.rows.examples(0))
    assert update.train_loss == pytest.approx(np.mean(update.step_losses))


def test_training_lowers_the_loss(make_trainer: Make) -> None:
    trainer = make_trainer(max_steps=30, learning_rate_max=2e-2, rounds=10, data_order="fixed")
    losses = trainer.train(trainer.initial(), 1, 0).step_losses
    assert np.mean(losses[-5:]) < 0.95 * losses[0]


def test_accumulated_batches_are_one_batch(make_trainer: Make) -> None:
    shape: dict[str, Any] = {"max_steps": 1, "optimizer": "sgd", "learning_rate_max": 1.0}
    lora = ("lora", {"r": 4, "dropout": 0.0, "target_modules": ["up_proj"]})
    whole = make_trainer(*lora, batch_size=8, **shape)
    halves = make_trainer(*lora, batch_size=4, gradient_accumulation_steps=2, **shape)
    start = whole.initial()
    one, two = whole.train(start, 1, 0), halves.train(start, 1, 0)
    assert one.train_loss == pytest.approx(two.train_loss, rel=1e-5)
    for name, values in one.arrays.items():
        np.testing.assert_allclose(values, two.arrays[name], rtol=1e-3, atol=1e-6)


def test_nan_names_partition_round_and_step(make_trainer: Make) -> None:
    trainer = make_trainer()
    start = trainer.initial()
    name = next(iter(start))
    start[name][0, 0] = np.nan
    with pytest.raises(FederationError, match="partition 3, round 2, step 1: loss nan"):
        trainer.train(start, 2, 3)


def test_foreign_arrays_are_refused(make_trainer: Make) -> None:
    trainer = make_trainer()
    start = trainer.initial()
    name = next(iter(start))
    with pytest.raises(FederationError, match="first difference"):
        trainer.train({k: v for k, v in start.items() if k != name}, 1, 0)
    with pytest.raises(FederationError, match="of shape"):
        trainer.train(start | {name: start[name][:1]}, 1, 0)


def test_a_target_that_matches_nothing_is_refused(make_trainer: Make) -> None:
    with pytest.raises(PluginError, match=r"gate_prog.*its layers: down_proj, gate_proj"):
        make_trainer("lora", {"r": 4, "target_modules": ["gate_prog"]})


def test_a_method_that_forecasts_other_tensors_is_refused(make_trainer: Make) -> None:
    lora = find_peft_method("standard/lora", "standard").value
    liar = PeftMethod(lora.name, lora.params, lora.configure, lambda model, params: {"w": (1,)})
    with pytest.raises(PluginError, match="1 forecast"):
        make_trainer(method=liar)


def test_an_extra_loss_term_pulls(make_trainer: Make) -> None:
    def proximal(parameters: Any, received: Any) -> Any:
        return sum(1e3 * ((w - received[name]) ** 2).sum() for name, w in parameters.items())

    free = make_trainer(max_steps=4)
    held = make_trainer(max_steps=4, objective=LocalObjective("p", loss=proximal))
    start = free.initial()

    def moved(trainer: Any) -> float:
        after = trainer.train(start, 1, 0).arrays
        return sum(float(np.abs(after[name] - start[name]).sum()) for name in start)

    assert moved(held) < 0.9 * moved(free)


def test_the_strategys_last_word_replaces_what_was_trained(make_trainer: Make) -> None:
    def finish(done: LocalRound) -> Any:
        assert done.steps == 2
        assert done.config["k"] == 5
        return {name: np.sign(values) + values for name, values in done.trained.items()}

    trainer = make_trainer(objective=LocalObjective("f", finish=finish))
    after = trainer.train(trainer.initial(), 1, 0, {"k": 5}).arrays
    assert all((abs(values[values != 0]) > 1).all() for values in after.values())


def test_saved_adapter_is_read_by_peft_and_equal_arrays_give_equal_bytes(
    make_trainer: Make, tmp_path: Path, tiny_model: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from harness.federation.storage.adapter_file import write_adapter

    trainer = make_trainer("dora")
    arrays = trainer.train(trainer.initial(), 1, 0).arrays
    initial = {name: values.shape for name, values in trainer.initial().items()}
    write_adapter(tmp_path / "a", arrays, trainer.peft_config(), initial)
    backwards = dict(reversed(arrays.items()))
    write_adapter(tmp_path / "b", backwards, trainer.peft_config(), initial)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tests/tiny"
    assert config["target_modules"] == sorted(config["target_modules"])
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    loaded = dict(PeftModel.from_pretrained(base, tmp_path / "a").named_parameters())
    name = next(name for name in arrays if "lora_B" in name)
    key = name.replace("lora_B.weight", "lora_B.default.weight")
    np.testing.assert_array_equal(loaded[key].detach().numpy(), arrays[name])
