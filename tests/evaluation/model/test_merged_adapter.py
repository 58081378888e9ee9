"""An adapter is merged to the values that peft computes, or refused with what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file

from harness.errors import EvaluationError
from harness.evaluation.model.base_model import Base
from harness.evaluation.model.merged_adapter import merge_adapter
from harness.record.file_names import ADAPTER_CONFIG, ADAPTER_WEIGHTS

Save = Callable[..., Path]
IDS = torch.tensor([[5, 17, 60, 33, 8]])


@pytest.mark.parametrize("dora", [True, False])
def test_merging_gives_what_the_adapter_computes(
    base: Base, save_adapter: Save, tmp_path: Path, dora: bool
) -> None:
    from peft import PeftModel

    folder = save_adapter(tmp_path, dora=dora)
    plain = base.model(IDS).logits.clone()
    adapted = PeftModel.from_pretrained(base.model, folder).eval()
    expected = adapted(IDS).logits.clone()
    base.model = adapted.unload()
    merge_adapter(base, folder)
    found = base.model(IDS).logits
    assert torch.allclose(found, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found, plain, atol=1e-2)


KINDS = {
    "rslora": ("LoraConfig", {"r": 4, "use_rslora": True}),
    "vera": ("VeraConfig", {"r": 8}),
    "ia3": ("IA3Config", {"feedforward_modules": ["down_proj"]}),
    "loha": ("LoHaConfig", {"r": 4}),
    "lokr": ("LoKrConfig", {"r": 4}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_of_adapter_merge_too(base: Base, tmp_path: Path, kind: str) -> None:
    import peft

    name, options = KINDS[kind]
    targets = ["gate_proj", "down_proj"] if kind != "vera" else ["gate_proj", "up_proj"]
    config = getattr(peft, name)(target_modules=targets, task_type="CAUSAL_LM", **options)
    adapted = peft.get_peft_model(base.model, config)
    torch.manual_seed(4)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    adapted.save_pretrained(tmp_path)
    expected = adapted.eval()(IDS).logits.clone()
    base.model = adapted.unload()
    plain = base.model(IDS).logits.clone()
    merge_adapter(base, tmp_path)
    assert torch.allclose(base.model(IDS).logits, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(plain, expected, atol=1e-3)


def test_a_start_that_moves_the_base_is_refused(
    base: Base, save_adapter: Save, tmp_path: Path
) -> None:
    folder = save_adapter(tmp_path, dora=False)
    config = json.loads((folder / ADAPTER_CONFIG).read_text())
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config | {"init_lora_weights": "pissa"}))
    assert "init_lora_weights is 'pissa'" in refusal(base, folder)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Read the weights into memory: the tests write over the file."""
    return load((folder / ADAPTER_WEIGHTS).read_bytes())


def refusal(base: Base, folder: Path) -> str:
    with pytest.raises(EvaluationError) as caught:
        merge_adapter(base, folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_pickle_is_refused(base: Base, save_adapter: Save, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path)
    torch.save(tensors(folder), folder / "adapter_model.bin")
    (folder / ADAPTER_WEIGHTS).unlink()
    assert "adapter_model.bin: a pickle can run code" in refusal(base, folder)


def test_a_pickle_under_another_name_is_refused(
    base: Base, save_adapter: Save, tmp_path: Path
) -> None:
    folder = save_adapter(tmp_path)
    torch.save(tensors(folder), folder / ADAPTER_WEIGHTS)
    assert "a pickle" in refusal(base, folder)


def test_nan_weights_are_refused_by_name(base: Base, save_adapter: Save, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path)
    weights = tensors(folder)
    name = sorted(weights)[2]
    weights[name].view(-1)[0] = float("nan")
    save_file(weights, folder / ADAPTER_WEIGHTS)
    message = refusal(base, folder)
    assert f"NaN or infinite in 1 of {len(weights)} tensors: {name}" in message


def test_another_shape_is_listed(base: Base, save_adapter: Save, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path)
    weights = tensors(folder)
    name = next(name for name in sorted(weights) if "lora_A" in name)
    rows, columns = weights[name].shape
    weights[name] = torch.zeros(rows, columns + 8)
    save_file(weights, folder / ADAPTER_WEIGHTS)
    message = refusal(base, folder)
    assert "adapter for another base model; 1 of another shape" in message
    assert f"{name} is [{rows}, {columns + 8}], the base needs [{rows}, {columns}]" in message


def test_missing_and_unknown_tensors_are_listed(
    base: Base, save_adapter: Save, tmp_path: Path
) -> None:
    folder = save_adapter(tmp_path)
    weights = tensors(folder)
    gone = sorted(weights)[0]
    moved = {re.sub(r"layers\.\d+", "layers.99", gone): weights.pop(gone)}
    save_file(weights | moved, folder / ADAPTER_WEIGHTS)
    message = refusal(base, folder)
    assert f"1 missing: {gone}" in message
    assert f"1 unknown to the base: {next(iter(moved))}" in message


def test_targets_that_the_base_lacks_are_named(
    base: Base, save_adapter: Save, tmp_path: Path
) -> None:
    folder = save_adapter(tmp_path)
    config = json.loads((folder / ADAPTER_CONFIG).read_text())
    config["target_modules"] = ["query_key_value"]
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config))
    assert "query_key_value" in refusal(base, folder)


def test_a_prompt_method_is_refused(base: Base, save_adapter: Save, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path)
    config = {"peft_type": "PROMPT_TUNING", "task_type": "CAUSAL_LM", "num_virtual_tokens": 4}
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config))
    assert "PROMPT_TUNING" in refusal(base, folder)


@pytest.mark.parametrize("name", [ADAPTER_CONFIG, ADAPTER_WEIGHTS])
def test_a_missing_file_is_named(base: Base, save_adapter: Save, tmp_path: Path, name: str) -> None:
    folder = save_adapter(tmp_path)
    (folder / name).unlink()
    assert f"no {name}" in refusal(base, folder)


def test_a_truncated_file_is_refused(base: Base, save_adapter: Save, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path)
    data = (folder / ADAPTER_WEIGHTS).read_bytes()
    (folder / ADAPTER_WEIGHTS).write_bytes(data[:-100])
    assert ADAPTER_WEIGHTS in refusal(base, folder)
