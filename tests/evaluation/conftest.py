"""A tiny real model with a real tokenizer, and run directories around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.boards.challenge import load_challenge
from harness.document import pretty_json, write_atomic
from harness.evaluation.model.base_model import Base, load_base
from harness.spec import ChallengeRef

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def paths() -> Iterator[None]:
    """Make the tiny plugin and the plain loop of `bench/` importable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tests" / "tiny"))
        patch.syspath_prepend(str(ROOT / "bench" / "speed"))
        yield


@pytest.fixture(scope="session")
def model_dir(paths: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny model, large enough in its weights to write varied text."""
    import torch
    from tiny_model import make_tiny_model
    from transformers import AutoModelForCausalLM

    folder = make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")
    model = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def base(model_dir: Path) -> Base:
    """The tiny model as the evaluation loads it."""
    return load_base(model_dir, "cpu", seed=2024)


@pytest.fixture
def save_adapter(model_dir: Path) -> Callable[..., Path]:
    """Return a function that writes a random adapter for the tiny model."""

    def save(folder: Path, seed: int = 1, dora: bool = True, **config: Any) -> Path:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        torch.manual_seed(seed)
        config = {"target_modules": ["gate_proj", "down_proj"], "r": 4, **config}
        model = get_peft_model(
            AutoModelForCausalLM.from_pretrained(model_dir),
            LoraConfig(use_dora=dora, task_type="CAUSAL_LM", **config),
        )
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name and "magnitude" not in name:
                    parameter.normal_(std=0.2)
                elif "magnitude" in name:
                    parameter.mul_(1.1)
        model.save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def run_dir(tmp_path: Path, model_dir: Path, save_adapter: Callable[..., Path]) -> Path:
    """A finished federation of the tiny model, to be evaluated on the synthetic rows."""
    from tiny_run import tiny_run

    run = tiny_run(model_dir)
    folder = tmp_path / "run"
    rules = ChallengeRef.of(load_challenge("finance"))
    spec = run.spec.with_values(challenge=rules.model_dump())
    write_atomic(folder / "spec.json", pretty_json(spec.model_dump(mode="json")))
    write_atomic(folder / "assets.json", pretty_json(run.assets.model_dump(mode="json")))
    save_adapter(folder / "adapter")
    return folder
