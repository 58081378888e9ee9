"""Internal names of libraries are used in one file per library, whose releases have a bound."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "harness" / "library_internals"

LIBRARIES = {"ray": "ray", "flwr": "flower", "peft": "peft"}
LIBRARIES |= {"transformers": "transformers", "bitsandbytes": "bitsandbytes"}
"""Import name -> the module that may know its insides."""

INTERNAL = (
    "flwr.supercore", "flwr.server", "flwr.common", "flwr.superlink", "flwr.supernode",
    "flwr.simulation.ray_transport", "peft.tuners", "transformers.models",
    "bitsandbytes.nn.modules", "bitsandbytes.backends",
)  # fmt: skip
"""Modules that their libraries' documentation does not list, with all that is below them."""

ATTRIBUTES = dict.fromkeys(("quant_state", "CB", "SCB"), "bitsandbytes")
ATTRIBUTES |= {"variance_epsilon": "transformers"}
ATTRIBUTES |= dict.fromkeys(
    ("lora_A", "lora_B", "lora_variant", "lora_magnitude_vector", "fan_in_fan_out"), "peft"
)
"""Attribute of a layer, known from reading the library alone -> the library."""


def is_internal(name: str) -> bool:
    """Whether `name`, dotted and beginning with a library, is not a promise of that library."""
    parts = name.split(".")
    if parts[0] not in LIBRARIES:
        return False
    private = any(part.startswith("_") and not part.endswith("__") for part in parts)
    return private or any(f"{name}.".startswith(f"{module}.") for module in INTERNAL)


def uses(code: str) -> Iterator[str]:
    """Yield the internal names that a module uses: imported, reached, spelt out, or as options."""
    tree = ast.parse(code)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                known[item.asname or item.name.partition(".")[0]] = (
                    item.name if item.asname else item.name.partition(".")[0]
                )
                yield item.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for item in node.names:
                known[item.asname or item.name] = f"{node.module}.{item.name}"
                yield f"{node.module}.{item.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield _dotted(node, known)
            if node.attr in ATTRIBUTES:
                yield f"{ATTRIBUTES[node.attr]}._attribute.{node.attr}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"\w+(\.\w+)+", node.value):
                yield node.value
            elif node.value.startswith("ray::"):
                yield f"ray._title.{node.value}"
        elif isinstance(node, ast.Call):
            yield from (f"{_dotted(node.func, known)}.{word.arg}" for word in node.keywords)


def _dotted(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, known)}.{node.attr}"
    return known.get(node.id, "") if isinstance(node, ast.Name) else ""


def internal_uses(code: str) -> list[str]:
    """Return the internal names that a module uses, each once."""
    return sorted({name for name in uses(code) if is_internal(name)})


def test_internal_names_stand_in_one_file_per_library() -> None:
    files = [*(ROOT / "harness").rglob("*.py"), *(ROOT / "plugins").rglob("src/**/*.py")]
    elsewhere = {
        str(file.relative_to(ROOT)): found
        for file in files
        if file.parent != ROOM and (found := internal_uses(file.read_text("utf-8")))
    }
    assert elsewhere == {}, "move these into harness/library_internals, with a canary test"


@pytest.mark.parametrize("module", sorted(set(LIBRARIES.values())))
def test_each_file_knows_the_insides_of_one_library(module: str) -> None:
    found = internal_uses((ROOM / f"{module}.py").read_text("utf-8"))
    assert found, "nothing internal is left here: delete the file"
    assert {LIBRARIES[name.partition(".")[0]] for name in found} == {module}


@pytest.mark.parametrize(
    "code",
    [
        "import ray._private.worker as driver",
        "from ray._private import services",
        "import ray\nray.init(_temp_dir='/tmp')",
        "import ray\nray._private.worker.print_to_stdstream = print",
        "from flwr.supercore.task_identity import TaskIdentity",
        "import importlib\nimportlib.import_module('flwr.server.superlink.fleet.vce.vce_api')",
        "def f():\n    from peft.tuners.lora.layer import Linear",
        "import transformers as t\nt.models.llama.modeling_llama.LlamaRMSNorm",
        "def f(layer):\n    return layer.weight.quant_state",
        "TITLE = 'ray::ClientAppActor'",
    ],
)
def test_the_search_finds(code: str) -> None:
    assert internal_uses(code) != []


@pytest.mark.parametrize(
    "code",
    [
        "import ray\nray.init(num_cpus=2)\nray.__version__",
        "from flwr.app import Message\nfrom flwr.serverapp.strategy import FedAvg",
        "from transformers.utils.logging import disable_progress_bar",
        "import bitsandbytes as bnb\nbnb.functional.dequantize_4bit",
        "'Ray is started with ray.init and ended.'",
    ],
)
def test_the_search_leaves_public_names_alone(code: str) -> None:
    assert internal_uses(code) == []


def test_releases_of_these_libraries_have_a_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [Requirement(line) for line in project["optional-dependencies"]["run"]]
    bounded = {item.name for item in wanted if any(s.operator == "<" for s in item.specifier)}
    # Ray comes with Flower, which names one release of it.
    assert bounded >= set(LIBRARIES) - {"ray"}
