"""Everything that a client imports before it can load a model, as one import.

It holds nothing and starts nothing.
"""

from __future__ import annotations

from harness.library_internals.bitsandbytes import load_bitsandbytes
from harness.library_internals.flower_datasets import partitioners
from harness.library_internals.transformers import load_transformers
from harness.processes.loading import loading

with loading():
    load_bitsandbytes()  # these two before peft, which would import them with all they ask for
    load_transformers()
    import peft  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

    import harness.federation.client
    import harness.federation.clientapp.worker  # noqa: F401

    partitioners()
