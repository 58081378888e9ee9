"""The base model that client processes share: loaded by the one that they are forked from.

Nobody writes to its weights, so that all forks read the same memory. No plugin's code runs while it
is loaded, and a model's own code neither.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Thread
from typing import Any

from harness.components import ModelSpec
from harness.document import digest_of
from harness.processes.loading import loading
from harness.spec import RunSpec
from harness.training.base_model import load_base
from harness.training.determinism import be_deterministic

LARGEST_PARAMETERS = 500_000_000
"""Of a model that is loaded before a client is asked for: 1.5 s for each 100 million of them, and
Ray waits no longer for its clients than `RAY_worker_register_timeout_seconds`. Larger ones are
loaded by a client that has been asked, whose limit is another."""

_shared: dict[tuple[str, str], Any] = {}
"""(digest of a run, folder of its model) -> its base model, until it is taken."""


def packs(spec: RunSpec) -> bool:
    """Return whether a client trains on packed batches, by the harness's own attention.

    A model that attends by itself would not say that it passes over the packed batch's mask.
    """
    return not (spec.train.exact_peft or spec.model.own_attention)


def is_shared(model: ModelSpec) -> bool:
    """Return whether a model is loaded before its clients are forked."""
    return not model.trust_remote_code and model.parameters() <= LARGEST_PARAMETERS


def load_shared(spec: RunSpec, model_dir: str) -> None:
    """Load a run's base model for the forks of this process.

    What is wrong with it is said by the fork that is asked first and tries again.

    Args:
        spec: the run.
        model_dir: folder with safetensors and config.
    """

    def load() -> None:
        be_deterministic(spec.compute.threads)
        with loading(), suppress(Exception):
            _shared[digest_of(spec), model_dir] = _loaded(spec, model_dir)

    if is_shared(spec.model):
        # OpenMP's threads wait for the one that called them, and end with it. A fork of a process
        # that has some waits for ever for those that it lacks.
        thread = Thread(target=load)
        thread.start()
        thread.join()


def base_of(spec: RunSpec, model_dir: str) -> Any:
    """Return a run's base model, which is the caller's to change: the shared one, or another.

    Raises:
        SourceError: see `load_base`.
        UsageError: see `load_base`.
    """
    base = _shared.pop((digest_of(spec), model_dir), None)
    return _loaded(spec, model_dir) if base is None else base


def _loaded(spec: RunSpec, model_dir: str) -> Any:
    return load_base(spec.model, model_dir, spec.compute.device, packs(spec))
