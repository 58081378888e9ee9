"""Everything that a client imports before it can load a model, as one import.

It holds nothing and starts nothing.
"""

from __future__ import annotations

from harness.library_internals.flower_datasets import partitioners
from harness.library_internals.model_libraries import load_model_libraries
from harness.processes.loading import loading

with loading():
    load_model_libraries()
    import harness.federation.client
    import harness.federation.clientapp.worker  # noqa: F401

    partitioners()
