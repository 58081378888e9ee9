"""How local training scales: `python bench/speed/scaling.py` prints steps a second and memory.

Every line trains the same batch of real finance rows, DoRA r=32 on the MLP, in one or in two
processes of one thread each at the same time, as the harness's actors do. The 360M model has random
weights of the right shape: no second of a step depends on what they are. Needs the mirror
(`HARNESS_MIRROR`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).resolve().parent))

MODELS = ("smollm2-135m-instruct", "smollm2-360m-instruct")


def random_model(model: Any, tokenizer_dir: str, folder: Path) -> None:
    """Write a Llama model of this shape with random weights, and the tokenizer beside it."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=model.vocab,
        hidden_size=model.hidden,
        intermediate_size=model.intermediate,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.kv_heads,
        tie_word_embeddings=model.tied_embeddings,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer_dir).save_pretrained(folder)


def child(name: str, batch: int, repeats: int, folder: Path) -> None:
    """Warm up, say so, wait for the start, train; print one JSON line."""
    from step import fast_case, make_spec

    from harness.plugins import find_model

    spec, challenge, assets, found = make_spec("dora", batch, 1, 0.075)
    model = find_model(f"smollm2-dora/{name}", "smollm2-dora").value
    if model != spec.model:
        spec = spec.with_values(model=model)
        assets = assets.with_values(model_dir=str(folder))
    step, _ = fast_case(spec, challenge, assets, found)
    step()
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.perf_counter()
    for _ in range(repeats):
        step()
    wall_s = time.perf_counter() - begin
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall_s": wall_s, "peak_mib": peak_mib}), flush=True)


def together(name: str, batch: int, actors: int, repeats: int, folder: Path) -> dict[str, object]:
    """Run that many children at once; return one line of the table."""
    command = [sys.executable, __file__, "--child", name, "--batches", str(batch)]
    command += ["--repeats", str(repeats), "--folder", str(folder)]
    running = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        for _ in range(actors)
    ]
    for process in running:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            sys.exit(f"{name}, batch {batch}, {actors} at once: a process ended before its start")
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.communicate()[0]) for process in running]
    rate = sum(repeats / item["wall_s"] for item in results)
    return {
        "model": name,
        "batch": batch,
        "actors": actors,
        "steps/s": f"{rate:.3f}",
        "examples/s": f"{rate * batch:.2f}",
        "peak MiB, all": f"{sum(item['peak_mib'] for item in results):.0f}",
    }


def main() -> None:
    """Measure every cell and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--batches", nargs="*", type=int, default=[4, 8, 16, 32])
    parser.add_argument("--actors", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", choices=MODELS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child, chosen.batches[0], chosen.repeats, chosen.folder)
        return
    from step import make_spec

    from harness.plugins import find_model

    table = []
    with tempfile.TemporaryDirectory() as folder:
        if MODELS[1] in chosen.models:
            assets = make_spec("dora", 4, 1, 0.0)[2]
            larger = find_model(f"smollm2-dora/{MODELS[1]}", "smollm2-dora").value
            random_model(larger, assets.model_dir, Path(folder))
        for name in chosen.models:
            for batch in chosen.batches:
                for actors in chosen.actors:
                    line = together(name, batch, actors, chosen.repeats, Path(folder))
                    print(json.dumps(line), file=sys.stderr, flush=True)
                    table.append(line)
    print(tabulate(table, headers="keys", tablefmt="github"))


if __name__ == "__main__":
    main()
