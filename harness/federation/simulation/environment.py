"""The environment variables of the client processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.federation.wire.shared_memory import SWITCH
from harness.spec import RunSpec

QUIET: dict[str, str] = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
"""Environment of the client processes: no telemetry, no network, one deterministic cuBLAS. Ray's
memory monitor would kill clients for what other programs use; ours is a limit of its own."""


def child_environment(spec: RunSpec, folder: str) -> dict[str, str]:
    """Return the environment variables of the client processes.

    Args:
        spec: the run; its threads.
        folder: for their temporary files; a process that is killed does not delete its own.
    """
    return QUIET | {
        "TMPDIR": folder,
        "OMP_NUM_THREADS": str(spec.compute.threads),
        # Threads that wait asleep: on a busy machine, spinning ones stop each other's work.
        "OMP_WAIT_POLICY": "PASSIVE",
        # Where this process finds plugins, its children must find the same ones.
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }


@contextmanager
def client_environment(spec: RunSpec, folder: str) -> Iterator[None]:
    """Set `child_environment` in this process for a while: its children inherit it.

    They are on one machine, so they lend each other the arrays of messages too.
    """
    values = child_environment(spec, folder) | {SWITCH: "1"}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
