"""A GPU's step computes what the step of modules computes; here on a CPU, in both types."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from harness.training.fast import attention
from harness.training.fast.lowrank import speed_up
from harness.training.fast.norms import speed_up_norms
from harness.training.fast.packing import pack
from harness.training.fast.step import packed_loss
from harness.training.fused.functions import LEVELS, PLAIN, keep
from harness.training.fused.model import FusedModel
from harness.training.fused.steps import FusedSteps
from harness.training.fused.token_tree import token_tree
from harness.training.fused.tree_attention import visible
from harness.training.rows.examples import Example

MLP = ["gate_proj", "up_proj", "down_proj"]
MIXED = ["q_proj", "v_proj", "o_proj", "gate_proj"]


def examples() -> list[Example]:
    """Return rows that begin alike, two of them equal and one with another answer."""
    numbers = random.Random(1)
    shared = [numbers.randrange(200) for _ in range(20)]
    made = []
    for _ in range(5):
        ids = shared + [numbers.randrange(200) for _ in range(numbers.randrange(5, 40))]
        made.append(Example(tuple(ids), len(ids) - 3))
    other = Example((*made[1].ids[:-3], 5, 6, 7), made[1].response_start)
    return [*made, made[0], other]


def model_of(dtype: torch.dtype, dora: bool, targets: list[str], kv: int, dropout: float) -> Any:
    """Return a Llama of three layers with an adapter whose B is not zero."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    attention.register()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=200, hidden_size=64, intermediate_size=128, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=kv, tie_word_embeddings=True,
        attn_implementation=attention.PACKED_ATTENTION,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config)
    model.requires_grad_(False)
    for layer in model.modules():
        if type(layer) is torch.nn.Linear and layer is not model.lm_head:
            layer.to(dtype)
    lora = LoraConfig(
        r=4, lora_alpha=8, use_dora=dora, target_modules=targets, lora_dropout=dropout
    )
    get_peft_model(model, lora)
    for parameter in trained(model):
        parameter.data = parameter.data.float()
        if parameter.dim() == 2:
            parameter.data += torch.randn_like(parameter) * 0.05
    return model.train()


def trained(model: Any) -> list[torch.nn.Parameter]:
    """Return the adapter's tensors."""
    return [p for p in model.parameters() if p.requires_grad]


def fused(model: Any, dtype: torch.dtype) -> FusedSteps:
    """Return the model's fused steps, not compiled."""
    from harness.library_internals.llama_layers import llama_parts

    parts = llama_parts(model)
    assert parts is not None
    return FusedSteps(FusedModel(parts, dtype), PLAIN, graphs=False)


def gradients(model: Any) -> list[torch.Tensor]:
    """Return the adapter's gradients and take them away."""
    found = []
    for parameter in trained(model):
        assert parameter.grad is not None
        found.append(parameter.grad.clone())
        parameter.grad = None
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize(("targets", "kv"), [(MLP, 4), (MIXED, 2)])
def test_loss_and_gradients_are_those_of_the_modules(
    dtype: torch.dtype, dora: bool, targets: list[str], kv: int
) -> None:
    batch = examples()
    labels = sum(len(e.ids) - e.response_start for e in batch)
    model = model_of(dtype, dora, targets, kv, 0.0)
    steps = fused(model, dtype)
    loss = steps.backward([batch], labels)
    ours = gradients(model)
    parted = steps.backward([batch[:3], batch[3:]], labels)
    in_parts = gradients(model)
    speed_up_norms(model)
    speed_up(model, dtype)
    with torch.autocast("cpu", torch.bfloat16, dtype == torch.bfloat16):
        expected = packed_loss(model, pack(batch, "cpu"), labels)
    expected.backward()
    exact = dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=1e-6 if exact else 1e-3, atol=0)
    torch.testing.assert_close(parted, expected, rtol=1e-6 if exact else 1e-3, atol=0)
    for mine, halves, theirs in zip(ours, in_parts, gradients(model), strict=True):
        assert (mine - theirs).norm() < theirs.norm() * (1e-5 if exact else 0.03)
        assert (halves - theirs).norm() < theirs.norm() * (1e-5 if exact else 0.03)


def test_gradients_with_dropout_are_the_slopes_of_the_loss() -> None:
    batch, dtype = examples(), torch.float32
    # LoRA: DoRA takes its norm for a constant, so that its gradients are not the loss's slopes.
    model = model_of(dtype, False, MLP, 4, 0.3)
    steps = fused(model, dtype)

    def loss() -> float:
        torch.manual_seed(5)
        return float(steps.backward([batch], 30) or 0)

    loss()
    for parameter, slope in zip(trained(model)[:6], gradients(model)[:6], strict=True):
        direction = slope / slope.norm()
        with torch.no_grad():
            parameter += 1e-2 * direction
            above = loss()
            parameter -= 2e-2 * direction
            below = loss()
            parameter += 1e-2 * direction
        assert (above - below) / 2e-2 == pytest.approx(float(slope.norm()), rel=0.02)


def test_what_memory_does_not_hold_is_made_again_to_equal_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch, dtype = examples(), torch.bfloat16
    model = model_of(dtype, True, MIXED, 2, 0.3)
    steps = fused(model, dtype)
    found = []
    for share in (0.5, 0.0):
        monkeypatch.setattr("harness.training.fused.steps.ACTIVATION_SHARE", share)
        torch.manual_seed(5)
        loss = steps.backward([batch], 30)
        found.append([loss, *gradients(model)])
    for kept, again in zip(*found, strict=True):
        assert torch.equal(kept, again)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_step_that_memory_does_not_hold_is_taken_again_to_equal_bits(
    monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    model = model_of(torch.bfloat16, True, MIXED, 2, 0.3)
    steps = fused(model, torch.bfloat16)
    batches = [examples()[:4], examples()[4:]] if parts == 2 else [examples()]
    whole, calls = FusedModel.gradients, []

    def tight(*args: Any) -> torch.Tensor:
        calls.append(args[-1])
        if args[-1] and len(calls) == fails_at:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(*args)

    monkeypatch.setattr(FusedModel, "gradients", tight)
    found = []
    for fails_at in (0, parts):
        calls.clear()
        torch.manual_seed(5)
        loss = steps.backward(batches, 30)
        found.append([loss, *gradients(model)])
        assert steps.saves_memory == bool(fails_at)
    assert calls == [True] * parts + [False]
    for kept, again in zip(*found, strict=True):
        assert torch.equal(kept, again)


def test_a_step_that_no_memory_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = fused(model_of(torch.float32, True, MLP, 4, 0.0), torch.float32)

    def full(*args: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(FusedModel, "gradients", full)
    with pytest.raises(torch.OutOfMemoryError):
        steps.backward([examples()], 30)


def test_a_token_sees_what_it_descends_from() -> None:
    batch = examples()
    tree = token_tree(batch)
    ids, positions, first, last, *_ = tree.parts(tree.table)
    packed = pack(batch, "cpu")
    count = packed.ids.shape[1]
    assert ids[:count].tolist() == packed.ids[0].tolist()
    assert positions[:count].tolist() == packed.positions[0].tolist()
    expected = torch.zeros(tree.tokens, tree.tokens, dtype=torch.bool)
    places = range(count, tree.tokens)
    expected[places, places] = True
    blocks = len(packed.mask)
    queries, keys = packed.queries.view(blocks, -1), packed.keys.view(blocks, -1)
    for block in range(blocks):
        for row, query in enumerate(queries[block]):
            expected[query, keys[block][packed.mask[block, 0, row] == 0]] = True
    assert torch.equal(visible(first, last), expected)


def test_dropout_drops_its_rate_in_every_column_and_by_every_seed() -> None:
    dropped = round(0.075 * LEVELS)
    masks = [~keep(torch.tensor([seed], dtype=torch.int32), 1000, 500, dropped) for seed in (3, 4)]
    for mask in masks:
        assert float(mask.float().mean()) == pytest.approx(0.075, abs=2e-3)
        assert float((mask.float().mean(0) - 0.075).abs().max()) < 0.05
    assert float((masks[0] & masks[1]).float().mean()) == pytest.approx(0.075**2, abs=1e-3)


def test_other_models_and_adapters_have_no_fused_step() -> None:
    from peft import LoHaConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from harness.training.fused.steps import fused_steps, why_not

    size = {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2}
    model: Any = LlamaForCausalLM(LlamaConfig(vocab_size=50, num_hidden_layers=1, **size))
    get_peft_model(model, LoHaConfig(target_modules=MLP))
    assert fused_steps(model, torch.float32) is None
    assert "no fused step" in why_not(model)
    biased: Any = LlamaForCausalLM(
        LlamaConfig(vocab_size=50, num_hidden_layers=1, mlp_bias=True, **size)
    )
    assert "no fused step" in why_not(biased)


def test_the_kernels_attend_as_torch_does() -> None:
    """In Triton's interpreter, which computes on a CPU, in a process that has it switched on."""
    pytest.importorskip("triton", reason="Triton comes with torch's CUDA build alone")
    import subprocess
    import sys
    from pathlib import Path

    script = Path(__file__).with_name("interpreted_kernels.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_model_that_drops_weights_of_its_attention_has_no_fused_step() -> None:
    from harness.library_internals.llama_layers import llama_parts

    model = model_of(torch.float32, dora=False, targets=MLP, kv=2, dropout=0.0)
    assert llama_parts(model) is not None
    model.config.attention_dropout = 0.1
    assert llama_parts(model) is None
