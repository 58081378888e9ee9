"""What a client leaves out when it imports its libraries is not missed, and changes no bit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

PLOTS = """
import sys
from harness.library_internals.flower_datasets import partitioners
found = partitioners()
assert found.IidPartitioner(num_partitions=2).__class__.__module__.startswith("flwr_datasets")
print(sorted({"matplotlib", "seaborn"} & set(sys.modules)), "flwr_datasets" in sys.modules)
assert partitioners() is found
import flwr_datasets
assert "flwr_datasets.visualization" not in sys.modules
from flwr_datasets.visualization import plot_label_distributions
"""

SCIPY = """
import sys
from harness.library_internals.transformers import load_transformers
load_transformers()
import peft
from transformers import AutoModelForCausalLM
print([name for name in sys.modules if name.split(".")[0] == "scipy"])
from transformers.loss.loss_for_object_detection import linear_sum_assignment
rows, columns = linear_sum_assignment([[4, 1], [2, 3]])
print(rows.tolist(), columns.tolist(), "scipy.optimize" in sys.modules)
import scipy.optimize
scipy.optimize.minimize
"""

MODELS = """
import hashlib, os, sys
scanned = []
sys.addaudithook(lambda event, of: scanned.append(str(of[0])) if event == "os.scandir" else None)
if sys.argv[1] == "light":
    from harness.library_internals.transformers import load_transformers
    load_transformers()
import transformers.models
from transformers.utils import import_utils
of = sys.modules["transformers.models"]
told = [sorted(of.__all__), sorted(of._class_to_module.items()), sorted(of._modules),
        sorted(of._object_missing_backend.items()), of.__file__, of.__path__, of.__spec__.name]
digest = hashlib.sha256(repr(told).encode()).hexdigest()
models = os.path.dirname(of.__file__)
whole = import_utils.define_import_structure.__module__
print(digest, scanned.count(models), whole, len(of.__all__))
"""

COMPILER = """
import hashlib, os, sys
import torch
if sys.argv[1] == "light":
    from harness.library_internals.bitsandbytes import load_bitsandbytes
    load_bitsandbytes()
import bitsandbytes as bnb
torch.manual_seed(0)
values = torch.randn(64, 256)
packed, state = bnb.functional.quantize_4bit(values, quant_type="fp4")
told = [packed, bnb.functional.dequantize_4bit(packed, state)]
for size in (64, 8192):  # of states in 32 and in 8 bits
    weight = torch.nn.Parameter(torch.randn(size))
    optimizer = bnb.optim.AdamW8bit([weight], lr=1e-2)
    for _ in range(3):
        weight.grad = torch.randn(size)
        optimizer.step()
    told.append(weight.detach())
digest = hashlib.sha256(b"".join(item.numpy().tobytes() for item in told)).hexdigest()
print(digest, "torch._inductor.compile_fx" in sys.modules, os.environ.get("TORCHDYNAMO_DISABLE"))
"""


def said(code: str, *words: str, **variables: str) -> str:
    """Return what a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False,
        env=os.environ | variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_partitioners_come_without_plots_which_are_there_when_asked_for() -> None:
    assert said(PLOTS) == "[] True", "mend harness/library_internals/flower_datasets.py"


def test_language_models_come_without_scipy_which_is_there_when_called_for() -> None:
    before, after = said(SCIPY).splitlines()
    assert before == "[]", "mend harness/library_internals/transformers.py"
    assert after == "[0, 1] [1, 0] True"


def test_folders_of_models_are_looked_through_once_and_the_same_is_found_in_them() -> None:
    # Two models export one name; which of the two files it stands for depends on the hash seed.
    light, once, module, exported = said(MODELS, "light", PYTHONHASHSEED="0").split()
    whole, twice, same_module, _ = said(MODELS, "whole", PYTHONHASHSEED="0").split()
    assert light == whole
    assert module == same_module == "transformers.utils.import_utils"
    assert int(exported) > 1000
    assert (once, twice) == ("1", "2"), "mend harness/library_internals/transformers.py"


@pytest.mark.parametrize("asked", [None, "0"])
def test_bitsandbytes_without_the_compiler_computes_the_same_bits(asked: str | None) -> None:
    before = {} if asked is None else {"TORCHDYNAMO_DISABLE": asked}
    light, compiler, left = said(COMPILER, "light", **before).split()
    whole = said(COMPILER, "whole", **before).split()[0]
    assert light == whole
    assert compiler == "False", "mend harness/library_internals/bitsandbytes.py"
    assert left == str(asked)
