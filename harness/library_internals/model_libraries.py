"""The libraries that load a language model and its adapter, imported in the order that is light."""

from __future__ import annotations


def load_model_libraries() -> None:
    """Import bitsandbytes, transformers and peft without what they bring and nobody here needs.

    peft comes last: it would import the other two with all that they ask for.
    """
    from harness.library_internals.bitsandbytes import load_bitsandbytes
    from harness.library_internals.transformers import load_transformers

    load_bitsandbytes()
    load_transformers()
    import peft  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401
