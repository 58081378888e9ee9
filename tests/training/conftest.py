"""A tiny model, and trainers for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from counted_rows import count_rows_once

from harness.plugins import find_peft_method
from harness.plugins.loading import load
from harness.recipe import Choice

TINY = Path(__file__).resolve().parent.parent / "tiny"

MLP = ["gate_proj", "up_proj", "down_proj"]


@pytest.fixture(scope="session", autouse=True)
def tiny_plugin() -> Iterator[None]:
    """Make the tiny plugin discoverable."""
    sys.path.insert(0, str(TINY))
    load.cache_clear()
    yield
    sys.path.remove(str(TINY))
    load.cache_clear()


@pytest.fixture(scope="session")
def tiny_model(tiny_plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a two-layer Llama with random weights."""
    from tiny_model import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def counted() -> dict[str, tuple[int, int]]:
    """What `count_rows_once` has counted."""
    return {}


@pytest.fixture
def make_trainer(
    tiny_model: Path, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Return a function that makes a trainer for the tiny model."""
    count_rows_once(monkeypatch, counted)

    def make(
        peft: str = "lora",
        params: dict[str, Any] | None = None,
        quantization: str = "fp4",
        objective: Any = None,
        method: Any = None,
        extensions: Any = None,
        client_ranks: Any = None,
        warm_start: Path | None = None,
        dtype: str = "float32",
        **train: Any,
    ) -> Any:
        from tiny_run import tiny_run

        from harness.training.trainer import Trainer

        run = tiny_run(tiny_model, "fedavg", **train)
        found = method or find_peft_method(f"standard/{peft}", "standard").value
        chosen = found.params.model_validate(
            {"r": 4, "target_modules": MLP} if params is None else params
        )
        spec = run.spec.with_values(
            model=run.spec.model.with_values(quantization=quantization, dtype=dtype).model_dump(),
            peft=Choice(name=f"standard/{peft}", params=chosen.model_dump()).model_dump(),
            client_ranks=client_ranks,
        )
        assets = run.assets
        if warm_start is not None:
            assets = assets.with_values(warm_start=str(warm_start))
        return Trainer(spec, run.challenge, assets, found, chosen, objective, extensions)

    return make
