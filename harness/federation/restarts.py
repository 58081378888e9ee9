"""Client processes that are started again when they die, on a SuperLink's simulation too.

In its own process the harness passes Ray's option `max_restarts` through Flower's backend config;
through `flwr run` that config knows processors only. The exported ClientApp, which Flower loads
before it starts any client process, sets it by `restart_dead_clients()`.
"""

from harness.library_internals.flower import restart_dead_clients

__all__ = ["restart_dead_clients"]
