"""Tokenizer and base model of a run, loaded by a thread while its process waits for something else.

No plugin's code runs in it, and a model's own code neither: what prints or asks for signals is left
to the process's first thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from harness.document import digest_of
from harness.processes.loading import loading
from harness.spec import RunSpec
from harness.training.base_model import load_base, load_tokenizer
from harness.training.determinism import be_deterministic


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a thread is loading, or has loaded."""

    tokenizer: Future[Any] = field(default_factory=Future)
    base: Future[Any] = field(default_factory=Future)


_ahead: dict[tuple[str, str], Ahead] = {}
"""(digest of a run, folder of its model) -> what is loaded for it, until its base is taken."""


def packs(spec: RunSpec) -> bool:
    """Return whether a client trains on packed batches, by the harness's own attention.

    A model that attends by itself would not say that it passes over the packed batch's mask.
    """
    return not (spec.train.exact_peft or spec.model.own_attention)


def load_ahead(spec: RunSpec, model_dir: str) -> None:
    """Begin to load for a run; whoever needs it waits for it, and is told what is wrong with it.

    Args:
        spec: the run.
        model_dir: folder with safetensors and config.
    """
    if spec.model.trust_remote_code:
        return
    ahead = _ahead[digest_of(spec), model_dir] = Ahead()

    def load() -> None:
        with loading():
            be_deterministic(spec.compute.threads)
            _settle(ahead.tokenizer, lambda: load_tokenizer(spec.model, model_dir))
            _settle(ahead.base, lambda: _loaded(spec, model_dir))

    Thread(target=load, name="load-ahead", daemon=True).start()


def tokenizer_of(spec: RunSpec, model_dir: str) -> Any:
    """Return a run's tokenizer.

    Raises:
        SourceError: see `load_tokenizer`.
    """
    ahead = _ahead.get((digest_of(spec), model_dir))
    if ahead is not None and ahead.tokenizer.exception() is None:
        return ahead.tokenizer.result()
    return load_tokenizer(spec.model, model_dir)


def base_of(spec: RunSpec, model_dir: str) -> Any:
    """Return a run's base model, which is the caller's: the one that is ready, or another.

    Raises:
        SourceError: see `load_base`.
        UsageError: see `load_base`.
    """
    ahead = _ahead.pop((digest_of(spec), model_dir), None)
    if ahead is not None and ahead.base.exception() is None:
        return ahead.base.result()
    return _loaded(spec, model_dir)


def _settle(future: Future[Any], load: Callable[[], Any]) -> None:
    try:
        future.set_result(load())
    except BaseException as error:
        future.set_exception(error)


def _loaded(spec: RunSpec, model_dir: str) -> Any:
    return load_base(spec.model, model_dir, spec.compute.device, packs(spec))
