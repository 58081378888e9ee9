"""A base loaded before a fork trains to the same bits, and its forks compute in parallel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.training import base_model
from harness.training.base_model import LARGEST_PARAMETERS, is_shared, load_shared

Make = Callable[..., Any]

FORK = """
import os, signal
import torch
from types import SimpleNamespace
from harness.training import base_model

def multiply(*_):
    return torch.ones(1500, 1500) @ torch.ones(1500, 1500)

base_model._loaded, base_model.is_shared, base_model.digest_of = multiply, bool, str
spec = SimpleNamespace(compute=SimpleNamespace(threads=2), model=True)
torch.set_num_threads(2)
before = os.listdir("/proc/self/task")
base_model.load_shared(spec, "folder")
assert os.listdir("/proc/self/task") == before  # what one of them holds, a fork never gets
assert torch.get_num_threads() == 2
child = os.fork()
if child == 0:
    signal.alarm(20)  # a fork that waits for threads which it lacks is ended, and not by itself
    torch.set_num_threads(2)
    same = torch.equal(multiply(), base_model.base_of(spec, "folder"))
    os._exit(0 if same else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_what_was_loaded_before_is_given_away_once_and_trains_to_the_same_bits(
    make_trainer: Make, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Any] = []
    load = base_model._loaded
    monkeypatch.setattr(base_model, "_loaded", lambda *of: loaded.append(load(*of)) or loaded[-1])
    alone = make_trainer("dora")
    expected = alone.train(alone.initial(), 1, 0).arrays
    load_shared(alone.spec, str(tiny_model))
    assert len(loaded) == 2
    for count in (2, 3):  # the shared one, then one of its own
        trainer = make_trainer("dora")
        assert len(loaded) == count
        found = trainer.train(trainer.initial(), 1, 0).arrays
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_model_that_cannot_be_loaded_is_refused_by_who_needs_it(
    make_trainer: Make, tmp_path: Path
) -> None:
    spec = make_trainer("dora").spec
    load_shared(spec, str(tmp_path))
    assert not base_model._shared


@pytest.mark.skipif(sys.platform != "linux", reason="clients are forked on Linux alone")
def test_a_fork_computes_with_as_many_threads_as_its_origin_did() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "0", done.stderr


def test_only_models_of_a_size_that_nobody_waits_for_are_loaded_before(
    make_trainer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_trainer("dora").spec.model
    kind = type(model)
    monkeypatch.setattr(kind, "parameters", lambda self: LARGEST_PARAMETERS)
    assert is_shared(model)
    assert not is_shared(model.with_values(trust_remote_code=True))
    monkeypatch.setattr(kind, "parameters", lambda self: LARGEST_PARAMETERS + 1)
    assert not is_shared(model)
