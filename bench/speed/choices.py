"""How fast and how equal, on boards whose prompts are decoded one by one: the evaluation's decoder
against upstream's own script, or a plain loop over `generate`; same rows, same machine.

    python bench/speed/choices.py MODEL_DIR MIRROR TASK [--rows 64] [--first 0] [--adapter DIR]
        [--script DIR [--python PYTHON] [--script-model DIR]]

With --script, a folder of adap/flower, benchmarks/flowertune-llm/evaluation/{general-nlp,medical},
upstream's files run as they are, with PYTHON, an interpreter that has what they ask for: see
`upstream_script.py`. Older transformers do not read a newer one's configuration, so the same
weights may lie in a second folder. Prints one JSON object: seconds of both, their ratio, and how
many texts and answers agree. One thread each; loading is left out of both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from plain_loop import load_quantized

from harness.boards.challenge import load_challenge
from harness.boards.registry import board_of_task, protocol_of
from harness.boards.rows import Row
from harness.evaluation.decoder.loglikelihood import Labels
from harness.evaluation.decoder.prompts import RowPlan
from harness.evaluation.decoder.working_set import common_prefix
from harness.evaluation.engine import Engine, load_engine

ASKED = "<|im_start|>question\n{prompt}<|im_end|>\n<|im_start|>answer\n"


@torch.inference_mode()
def plain_texts(
    model: Any, tokenizer: Any, rows: Sequence[Row], golds: Sequence[str], first: int, count: int
) -> list[str]:
    """Return the output of rows `first` to `first + count - 1`, as upstream's script makes it.

    Args:
        model: with 4-bit layers, which are dequantised at every token.
        tokenizer: as it was loaded.
        rows: all rows of the set: batches are cut from the whole.
        golds: their right answers as upstream spells them.
        first: the first row to decode.
        count: how many.
    """
    outputs: dict[str, str] = {}
    chosen = rows[first : first + count]
    for number, row in enumerate(chosen, first):
        leader = golds[number - number % 16]
        new_tokens = len(tokenizer(leader, add_special_tokens=False)["input_ids"])
        ids = torch.tensor([tokenizer.encode(ASKED.format(prompt=row.context))])
        found = model.generate(
            inputs=ids, max_new_tokens=new_tokens, do_sample=False, top_p=1.0, temperature=1.0,
            pad_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        # Written to every row of the same prompt, so the last one's counts.
        outputs[row.context] = tokenizer.decode(found[0][ids.shape[1] :], skip_special_tokens=True)
    return [outputs[row.context] for row in chosen]


def our_texts(
    engine: Engine, answers: Sequence[str], plans: Sequence[tuple[int, RowPlan]]
) -> dict[int, str]:
    """Return row -> output, made as `harness evaluate` makes it, log-likelihoods included.

    Args:
        engine: the evaluation's.
        answers: what each row is weighed by.
        plans: (row, plan) of the rows to decode.
    """
    if any(plan.budget_tokens > 1 for _, plan in plans):
        return {found.row: found.new_text for found in engine.answers(plans)}
    tokenizer = engine.base.tokenizer
    texts = [engine.protocol.written(answer) for answer in answers]
    ids = tuple(tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    items = [Labels(number, plan.ids, ids) for number, (_, plan) in enumerate(plans)]
    found = engine.both([plan for _, plan in plans], items, range(len(plans)))
    return {plans[text.row][0]: text.new_text for text, _ in found}


def distinct_tokens(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens are left when beginnings that prompts share are read once."""
    ordered = sorted(map(tuple, prompts))
    shared = (common_prefix(one, other) for one, other in pairwise(ordered))
    return sum(map(len, ordered)) - sum(shared)


def script_texts(options: argparse.Namespace) -> tuple[list[str], float, dict[str, str]]:
    """Run upstream's script over the chosen rows.

    Returns:
        The outputs, processor seconds of decoding, and the packages that it ran with.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [
            options.python, str(Path(__file__).with_name("upstream_script.py")), options.script,
            options.script_model or options.model_dir, options.mirror, options.task, out,
            "--rows", options.rows, "--first", options.first,
            *(["--adapter", options.adapter] if options.adapter else []),
        ]  # fmt: skip
        one = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, env=one)
        found = json.loads(out.read_text())
    return [row["output"] for row in found["rows"]], found["cpu_s"], found["packages"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("mirror", type=Path)
    parser.add_argument("task")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--script-model", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    challenge = load_challenge(board_of_task(options.task).id)
    protocol, item = protocol_of(challenge), challenge.evaluation_set(options.task)
    folder = options.mirror / "datasets" / item.dataset
    files = [folder / name for name in item.files]
    if not all(path.is_file() for path in files):
        files = [folder / name for name in item.substitute_files]
    rows = protocol.rows(options.task, files).rows
    first, count = options.first, options.rows

    count = min(count, len(rows) - first)
    engine = load_engine(
        options.model_dir, options.adapter, protocol, count, "cpu", options.threads
    )
    begin = time.process_time()
    plans = list(enumerate(engine.plan(options.task, rows)))[first : first + count]
    tokens = sum(len(plan.ids) for _, plan in plans)
    distinct = distinct_tokens([plan.ids for _, plan in plans])
    planned = time.process_time()
    ours = our_texts(engine, protocol.second.answers[options.task], plans)
    ours_cpu_s = time.process_time() - planned
    del engine

    packages: dict[str, str] = {}
    if options.script is not None:
        plain, plain_cpu_s, packages = script_texts(options)
    else:
        model, tokenizer = load_quantized(options.model_dir, options.adapter, 2024, padded=False)
        begin_plain = time.process_time()
        golds = [protocol.written(row.target) for row in rows]
        plain = plain_texts(model, tokenizer, rows, golds, first, count)
        plain_cpu_s = time.process_time() - begin_plain
    pairs = [(ours[first + place], text) for place, text in enumerate(plain)]
    assert len(pairs) == count
    answers = [
        tuple(protocol.read(options.task, text, "").answer for text in pair) for pair in pairs
    ]
    print(
        json.dumps(
            {
                "task": options.task,
                "rows": len(pairs),
                "first": first,
                "adapter": str(options.adapter),
                "against": packages or "plain loop",
                "prompt_tokens": tokens,
                "distinct_tokens": distinct,
                "plan_cpu_s": round(planned - begin, 2),
                "ours_cpu_s": round(ours_cpu_s, 2),
                "plain_cpu_s": round(plain_cpu_s, 2),
                "cpu_ratio": round(plain_cpu_s / ours_cpu_s, 1),
                "texts_equal": sum(a == b for a, b in pairs),
                "answers_equal": sum(a == b for a, b in answers),
                "different": [pair for pair in pairs if pair[0] != pair[1]][:5],
            }
        )
    )


if __name__ == "__main__":
    main()
