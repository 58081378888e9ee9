"""Read a family's layers from transformers: `python -m harness.sources.unknown_family.modules`.

Arguments are a config.json and the file to write. transformers builds two models of it: the whole
one on the meta device, which has shapes and no weights, and a small one whose sizes all differ, so
that a width is known to be the hidden size, and no other that happens to be equal. Nothing is asked
of a network, and code out of a model's folder does not run. What is no plain decoder is refused by
name. Run by `harness.sources.unknown_family.layouts`, in a process of its own.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.components.families import KEYS
from harness.components.layout import in_every_block
from harness.document import pretty_json
from harness.kernel import calls
from harness.kernel.namespaces import own_namespaces
from harness.machine.versions import harness_code
from harness.sources.unknown_family.layouts import REFUSED, REFUSED_BY
from harness.sources.unknown_family.module_tree import NoPlainDecoderError, layout_of, tree_of
from harness.sources.unknown_family.sizes import (
    SMALL,
    intermediate_key,
    kv_key,
    sizes_of,
    small_values,
    switches_of,
)

MOST_DATA_BYTES = 6 * 2**30
"""Memory of this process: building a model of 70 billion parameters takes below 1 GiB."""

TOKENS = 6
"""Length of the row by which the small model shows that it does not look ahead."""


def read(values: dict[str, Any], library: str) -> dict[str, Any]:
    """Return the fields of a ModelSpec that a config.json decides, its layout among them.

    Args:
        values: of the config.json.
        library: whose modules are read.

    Raises:
        NoPlainDecoderError: the layers cannot be said by a Layout, or it is no causal model.
    """
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    kind = str(values.pop("model_type"))
    if kind not in CONFIG_MAPPING:
        brings = ", and code out of a model's folder is not read" if "auto_map" in values else ""
        raise NoPlainDecoderError(f"{library} has no model_type {kind[:40]!r}{brings}")
    inner = next((key for key, value in values.items() if _is_config(value)), None)
    if inner is not None:
        raise NoPlainDecoderError(f"it is made of several models, {inner} is one of them")
    own = CONFIG_MAPPING[kind]
    with _refused_as(f"{library} makes no model of its config.json"):
        config = own(**{key: value for key, value in values.items() if key != "auto_map"})
    if config.is_encoder_decoder:
        raise NoPlainDecoderError("it is an encoder with a decoder")
    default = own()
    with _refused_as("its blocks are not all alike"):
        intermediate = intermediate_key(default)
        sizes = sizes_of(config, default, intermediate)
    switches = switches_of(values, default)
    of_small = in_every_block(switches, SMALL["num_hidden_layers"])
    with _refused_as(f"{library} makes no model of its config.json"), torch.device("meta"):
        whole = tree_of(AutoModelForCausalLM.from_config(config), sizes)
    layout_of(whole, whole, intermediate)  # a width of no size is said before a small one is made
    with _refused_as("a small model of its family does not follow from sizes alone"):
        small = own(**small_values(config, default, intermediate), **of_small)
        small.tie_word_embeddings = config.tie_word_embeddings
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(small)
        try:
            tree = tree_of(model, sizes_of(small, default, intermediate))
        except NoPlainDecoderError as error:  # the model itself has been found plain
            why = "what makes it plain is no size, and a small model of its family is none"
            raise NoPlainDecoderError(f"{why} ({error})") from None
        layout = layout_of(whole, tree, intermediate)
        _refuse_looking_ahead(model)
    head_dim = sizes["head"]
    return {
        "layers": config.num_hidden_layers,
        "hidden": sizes["hidden"],
        "intermediate": sizes["intermediate"],
        "heads": config.num_attention_heads,
        "kv_heads": sizes["keys"] // head_dim,
        "vocab": sizes["vocab"],
        "head_dim": None if sizes["queries"] == sizes["hidden"] else head_dim,
        "tied_embeddings": whole.tied,
        "layout": layout.with_values(
            library=library,
            kv_heads=kv_key(config, default) or KEYS["kv_heads"],
            switches=switches,
        ).model_dump(mode="json"),
    }


@contextmanager
def _refused_as(what: str) -> Iterator[None]:
    """Say of what a library refuses to build that it is no plain decoder.

    Raises:
        NoPlainDecoderError: it is none, or the library refused it; not for want of memory.
    """
    try:
        yield
    except (NoPlainDecoderError, MemoryError):
        raise
    except Exception as error:
        if "alloc" in str(error):  # torch's own word for want of memory
            raise
        why = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise NoPlainDecoderError(f"{what} ({why})") from error


def _is_config(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("model_type"))  # MPT's attention has ""


def _refuse_looking_ahead(model: Any) -> None:
    """Check that a token's logits do not change with the tokens after it.

    Raises:
        NoPlainDecoderError: they do.
    """
    import torch

    ids = torch.arange(1, TOKENS + 1).unsqueeze(0)
    other = ids.clone()
    other[0, -1] = 0
    with torch.inference_mode():
        model.eval()
        before, after = (model(input_ids=item, use_cache=False).logits[0] for item in (ids, other))
    if not torch.equal(before[:-1], after[:-1]) or torch.equal(before[-1], after[-1]):
        raise NoPlainDecoderError("a token's logits depend on the tokens after it")


def _hold_back() -> None:
    """Take this process's network, and bound its memory."""
    with suppress(OSError):  # a kernel that refuses; nothing here asks a network
        own_namespaces(calls.CLONE_NEWNET, os.geteuid() == 0)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_DATA_BYTES, MOST_DATA_BYTES))


def main() -> None:
    """Read the config.json that is named first and write what is found of it to the second."""
    _hold_back()
    import transformers

    transformers.logging.set_verbosity_error()
    folder = Path(sys.argv[1]).parent
    # Read by the library itself, which writes infinity as {"__float__": "Infinity"}.
    values, _ = transformers.PretrainedConfig.get_config_dict(folder, local_files_only=True)
    try:
        found = read(values, f"transformers {transformers.__version__}")
    except NoPlainDecoderError as error:
        found = {REFUSED: str(error), REFUSED_BY: harness_code().digest}
    except Exception as error:  # whatever a library says of a stranger's file
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split())[:200])
    Path(sys.argv[2]).write_text(pretty_json(found), "utf-8")


if __name__ == "__main__":
    main()
