"""Measure a GPU: `python bench/gpu.py [--mirror DIR] [--tokenizer DIR] [--json FILE]`; no network.

Makes a SmolLM2-1.7B of random weights, and compares local training with a loop like the template's,
DoRA with LoRA, both with the card's own matrix rate; then memory of one, two and four clients,
the official evaluation, and whether a round repeats itself. With `--model`, `--submission` and
`--mirror` a committed entry's adapter answers the board's rows, to be held against its committed
answers. Prints one table, and writes one JSON file, again after every section: a section that fails
is reported and the next one begins.

`--rehearse` does all of it on a CPU with a model of a few thousand weights, to see that it works.
Rows and questions are those of the board where `--mirror` has them, else the smoke corpus. Needs
torch, transformers, peft, accelerate, bitsandbytes, datasets, threadpoolctl, and the harness with
its two plugins; neither Flower nor Ray nor lm-eval.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent / "gpu_parts"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "speed"))

NEEDED = {
    **{name: name for name in ("torch", "transformers", "peft", "accelerate", "bitsandbytes",
                               "datasets", "threadpoolctl", "pydantic", "pluggy")},
    "harness": ".",
    "harness_standard": "./plugins/standard",
    "harness_smollm2_dora": "./plugins/smollm2-dora",
}  # fmt: skip
"""Module -> what pip installs it from, in a clone."""
SECTIONS = ("card", "steps", "template", "losses", "repeat", "memory", "profile", "evaluation",
            "committed")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="all of it, small, on a CPU")
    parser.add_argument("--mirror", type=Path, help="folder with the board's data sets")
    parser.add_argument("--tokenizer", type=Path, help="folder with SmolLM2's tokenizer")
    parser.add_argument("--model", type=Path, help="folder with SmolLM2-135M-Instruct")
    parser.add_argument("--submission", type=Path, help="finance entry with its adapter's weights")
    parser.add_argument("--work", type=Path, help="folder for the model; default: a temporary one")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"))
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--budget-s", type=float, default=480.0, help="no section begins later")
    parser.add_argument("--rows", type=int, help="questions of the evaluation; default: all")
    parser.add_argument("--cap-gib", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        wanted = " ".join(NEEDED[name] for name in missing)
        sys.exit(f"not installed: {', '.join(missing)}; in the clone: pip install {wanted}")
    import sections
    from figures import table
    from subject import Subject

    if options.child:
        sections.client(options)
        return
    begin = time.perf_counter()
    result: dict[str, Any] = {"sections": {}, "failed": {}, "seconds": {}}
    subject = Subject(options)
    for name in options.only:
        if time.perf_counter() - begin > options.budget_s:
            result["failed"][name] = "no time left"
            continue
        start = time.perf_counter()
        try:
            result["sections"][name] = getattr(sections, name)(subject, result["sections"])
        except Exception as error:  # the next section is to be measured all the same
            traceback.print_exc()
            result["failed"][name] = f"{type(error).__name__}: {error}"[:2000]
        result["seconds"][name] = round(time.perf_counter() - start, 1)
        print(f"[{time.perf_counter() - begin:.0f} s] {name}: ", end="")
        print(json.dumps(result["sections"].get(name, result["failed"].get(name)))[:1500])
        sys.stdout.flush()
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    subject.close()
    print(table(result))
    if result["failed"]:
        sys.exit(f"failed: {', '.join(result['failed'])}")


if __name__ == "__main__":
    main()
