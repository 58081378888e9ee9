"""How fast and how equal: the evaluation's decoder against a plain loop, same rows, same machine.

    python bench/speed/evaluation.py RUN_DIR [--task fiqa] [--rows 32] [--threads N] [--untrained]

RUN_DIR is a run directory of `harness run`. Prints one JSON object: seconds of both, their ratio,
and how many labels agree. Set OMP_WAIT_POLICY=PASSIVE on a machine that does other work too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import torch
from plain_loop import load_quantized, texts

from harness.evaluation.engine import load_engine
from harness.evaluation.evaluated_run import official_sets, read_run


def clock() -> tuple[float, float]:
    """Return seconds on the wall and of processor time; the second holds on a busy machine too."""
    return time.perf_counter(), time.process_time()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--task", default="fiqa")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--untrained", action="store_true")
    parser.add_argument("--skip-plain", action="store_true", help="measure our decoder only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    run = read_run(options.run_dir, "cpu", options.untrained)
    protocol = run.protocol
    decoding = protocol.decoding
    rows = official_sets(run)[options.task].rows
    prompts = [row.context for row in rows]
    chosen = prompts[: options.rows]
    model_dir = Path(run.assets.model_dir)

    begin, _ = clock()
    engine = load_engine(model_dir, run.adapter_dir, protocol, len(chosen), "cpu", options.threads)
    loaded, loaded_cpu = clock()
    plans = engine.plan(options.task, rows)
    ours = {item.row: item.text for item in engine.answers(list(enumerate(plans))[: len(chosen)])}
    ours_s, ours_cpu_s = (
        now - then for now, then in zip(clock(), (loaded, loaded_cpu), strict=True)
    )
    result = {
        "task": options.task,
        "rows": len(chosen),
        "threads": options.threads,
        "decoders": len(engine.pool.decoders),
        "adapter": None if run.adapter_dir is None else str(run.adapter_dir),
        "ours_load_s": round(loaded - begin, 1),
        "ours_s": round(ours_s, 1),
        "ours_cpu_s": round(ours_cpu_s, 1),
    }
    del engine
    if not options.skip_plain:
        torch.set_num_threads(options.threads)
        model, tokenizer = load_quantized(model_dir, run.adapter_dir, decoding.seed)
        begin, begin_cpu = clock()
        plain = list(
            texts(model, tokenizer, chosen, decoding.batch_size, decoding.max_length_tokens)
        )
        plain_s, plain_cpu_s = (
            now - then for now, then in zip(clock(), (begin, begin_cpu), strict=True)
        )
        labels = [
            tuple(
                protocol.read(
                    options.task, protocol.output_of(rows[row].context, text, ""), rows[row].target
                ).answer
                for text in (plain[row], ours[row])
            )
            for row in range(len(chosen))
        ]
        result |= {
            "plain_s": round(plain_s, 1),
            "plain_cpu_s": round(plain_cpu_s, 1),
            "ratio": round(plain_s / ours_s, 1),
            "cpu_ratio": round(plain_cpu_s / ours_cpu_s, 1),
            "labels_equal": sum(a == b for a, b in labels),
            "texts_equal": sum(plain[row].startswith(ours[row]) for row in range(len(chosen))),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
