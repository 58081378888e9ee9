"""The environment variables of the client processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.federation.wire.names import SWITCH
from harness.machine.card_layout import CardLayout
from harness.processes.import_paths import isolated
from harness.processes.waiting_threads import WAITING
from harness.spec import RunSpec

QUIET: dict[str, str] = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
"""Environment of the client processes: no telemetry, no network, one deterministic cuBLAS. Ray's
memory monitor would kill clients for what other programs use; ours is a limit of its own. A client
may take 300 s instead of 60 to say that it is there: libraries and model are loaded by then.
Without clusters Ray takes 127.0.0.1 for its address, and looks for no other."""

WITHOUT_HUB = frozenset({"HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"})
"""Of these, what is for clients whose files the command has found. Elsewhere a node finds its own.
"""


def child_environment(
    spec: RunSpec, folder: str, cards: CardLayout | None = None
) -> dict[str, str]:
    """Return all environment variables of the client processes: this process's without what leads
    Python to code outside of its environment, and those that follow from the run.

    Args:
        spec: the run; its threads.
        folder: for their temporary files; a process that is killed does not delete its own.
        cards: which of the GPUs that this process sees they may use; None: all.
    """
    variables = {
        "TMPDIR": folder,
        "OMP_NUM_THREADS": str(spec.compute.threads),
        **WAITING,
    }
    if cards is not None:
        seen = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
        names = [seen[card] if any(seen) else str(card) for card in cards.cards]
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    return isolated(os.environ) | QUIET | variables


@contextmanager
def client_environment(
    spec: RunSpec, folder: str, cards: CardLayout | None, more: Mapping[str, str]
) -> Iterator[None]:
    """Set `child_environment` in this process for a while: its children inherit it.

    They are on one machine, so they lend each other the arrays of messages too.

    Args:
        spec: the run; its threads.
        folder: for their temporary files.
        cards: which of the GPUs that this process sees they may use; None: all.
        more: variables besides.
    """
    with environment({**child_environment(spec, folder, cards), SWITCH: "1", **more}):
        yield


@contextmanager
def environment(after: Mapping[str, str]) -> Iterator[None]:
    """Make `after` all environment variables of this process for a while."""
    before = dict(os.environ)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    _set({name: after.get(name) for name in changed})
    try:
        yield
    finally:
        _set({name: before.get(name) for name in changed})


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
