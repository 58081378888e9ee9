"""Upstream's own evaluation script on a CPU, on local files, over some rows of one set.

    PYTHON bench/speed/upstream_script.py SCRIPT_DIR MODEL_DIR MIRROR TASK OUT
        [--rows 64] [--first 0] [--adapter DIR]

PYTHON has what the script asks for; nothing of the harness is imported here. SCRIPT_DIR is a folder
of adap/flower, benchmarks/flowertune-llm/evaluation/{general-nlp,medical}. Its files run as they
are: the script is given local files for its data sets, a CPU for its "cuda", and a part of the rows
where it begins to decode. OUT becomes one JSON object: prompts, golds and outputs, and the
processor seconds of decoding. `bench/speed/choices.py --script` calls this and compares.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import runpy
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

FILES = {
    "bigbio/pubmed_qa": ["bigbio/pubmed_qa/pubmed_qa_labeled_fold0_source/test.parquet"],
    "bigbio/med_qa": ["bigbio/med_qa/med_qa_en_4options_source/test.parquet"],
    "medmcqa": ["openlifescienceai/medmcqa/validation.parquet"],
    "HPAI-BSC/CareQA": [
        "HPAI-BSC/CareQA/CareQA_en.parquet", "HPAI-BSC/CareQA/lookalike_test.parquet",
    ],
    "lukaemon/mmlu": ["lukaemon/mmlu/{subset}/test.parquet"],
}  # fmt: skip
"""What the script loads -> where a mirror may have it."""

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "datasets", "pandas")


def local_rows(mirror: Path, name: str, subset: str = "", **_: Any) -> Any:
    """Return a data set of the mirror, in place of the hub's."""
    import datasets

    paths = [mirror / "datasets" / item.format(subset=subset) for item in FILES[name]]
    path = next(item for item in paths if item.is_file())
    return datasets.Dataset.from_parquet(str(path), cache_dir=tempfile.mkdtemp())


def stay_on_the_cpu() -> None:
    """Let the script's `.to("cuda")` be a CPU's, and its 4-bit layers be computed in float32.

    bitsandbytes computes them in bfloat16 on a CPU that has AVX512-BF16, whatever was asked for.
    """
    import bitsandbytes.nn.modules as modules

    if hasattr(modules, "has_avx512bf16"):
        modules.has_avx512bf16 = lambda: False
    for kind in (torch.Tensor, torch.nn.Module, modules.Params4bit):

        def to(self: Any, *where: Any, _move: Any = kind.to, **options: Any) -> Any:
            named = [*where, options.get("device")]
            # peft moves 4-bit weights to a GPU and back where it dequantises them for DoRA.
            gpu = any(isinstance(i, str | torch.device) and "cuda" in str(i) for i in named)
            return self if gpu else _move(self, *where, **options)

        kind.to = to


def main() -> None:
    """Run the script and write what it gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("script_dir", "model_dir", "mirror"):
        parser.add_argument(name, type=lambda text: Path(text).resolve())
    parser.add_argument("task")
    parser.add_argument("out", type=lambda text: Path(text).resolve())
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--adapter", type=lambda text: Path(text).resolve())
    options = parser.parse_args()
    if options.first % 16:
        parser.error("--first cuts the script's batches of 16 rows; give a multiple of 16")
    torch.set_num_threads(1)
    sys.path.insert(0, str(options.script_dir))
    os.chdir(tempfile.mkdtemp())  # where the script writes its own files
    stay_on_the_cpu()
    import datasets

    datasets.load_dataset = lambda *names, **others: local_rows(options.mirror, *names, **others)
    import benchmarks  # type: ignore[import-not-found]  # the script's

    decode, found = benchmarks.inference, {}

    def some_rows(dataset: Any, *others: Any) -> Any:
        last = min(options.first + options.rows, len(dataset))
        begin = time.process_time()
        rows = decode(dataset.select(range(options.first, last)), *others)
        found["cpu_s"] = time.process_time() - begin
        found["rows"] = json.loads(rows.to_json(orient="records"))
        return rows

    benchmarks.inference = some_rows
    category = options.task.removeprefix("mmlu_")
    which = (
        f"--datasets={options.task}" if category == options.task else f"--category={category}",
        *([f"--peft-path={options.adapter}"] if options.adapter else []),
    )
    sys.argv = ["eval.py", f"--base-model-name-path={options.model_dir}", "--quantization=4",
                "--batch-size=16", "--run-name=fl", *which]  # fmt: skip
    runpy.run_path(str(options.script_dir / "eval.py"), run_name="__main__")
    found["packages"] = {name: importlib.metadata.version(name) for name in PACKAGES}
    options.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
