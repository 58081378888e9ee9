"""A small model of random weights, in place of a family's real ones in a smoke run.

It is made once for each shape, in a cache folder; its tokenizer is SmolLM2's.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from harness.components import ModelSpec
from harness.components.model_config import config_of_spec
from harness.document import digest_of
from harness.document.lock import locked
from harness.machine.cache_folder import cache_folder
from harness.processes.isolated_python import run_python
from harness.sources.lookup import Found
from harness.sources.wheel import wheel_model

VERSION = "v1"
"""Of how the weights are drawn; another way gets another number."""

RANDOM_NOTE = "random weights of a small model of its family, made in code (smoke run)"


def random_model(model: ModelSpec) -> Found:
    """Return the folder of a small random model, making it when it is not in the cache yet.

    Args:
        model: as `harness.planning.smoke.smoke_model` returns it.

    Raises:
        SourceError: the tokenizer is nowhere, or transformers cannot make the model.
    """
    tokenizer = wheel_model()
    cache = cache_folder()
    folder = cache / f"random-{model.architecture}-{digest_of(model)[:16]}-{VERSION}"
    with locked(cache / f"{folder.name}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(prefix=".making-", dir=cache) as scratch:
                made = Path(scratch) / "model"
                values = json.dumps(config_of_spec(model))
                arguments = [values, str(tokenizer.folder), str(made)]
                run_python(
                    ["-m", "harness.sources.random_weights", *arguments],
                    f"making a small {model.architecture}",
                    "name a model of another family, or none for a smoke run",
                )
                os.replace(made, folder)
    return Found(folder, "synthetic", "smoke")
