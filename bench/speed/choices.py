"""How fast and how equal, on boards whose prompts are decoded one by one: the evaluation's decoder
against upstream's own script, or a plain loop over `generate`; same rows, same machine.

    python bench/speed/choices.py MODEL_DIR MIRROR TASK[:FIRST]... [--rows 64] [--adapter DIR]
        [--script DIR [--python PYTHON] [--script-model DIR]]

With --script, the folder benchmarks/flowertune-llm/evaluation of adap/flower, upstream's files run
as they are, with PYTHON, an interpreter that has what they ask for: see `upstream_script.py`. Older
transformers do not read a newer one's configuration, so the same weights may lie in a second
folder. Prints one JSON object for each TASK, from row FIRST on: seconds of both, their ratio, and
how many texts and answers agree. One thread each; loading is left out of both.
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

from harness.boards.challenge import Challenge, load_challenge
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


def script_texts(
    options: argparse.Namespace, board: str, task: str, first: int
) -> tuple[list[str], float, dict[str, str]]:
    """Run upstream's script over some rows of a set.

    Args:
        options: the command's.
        board: whose script.
        task: the set.
        first: the first row.

    Returns:
        The outputs, processor seconds of decoding, and the packages that it ran with.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [
            options.python, Path(__file__).with_name("upstream_script.py"), options.script / board,
            options.script_model or options.model_dir, options.mirror, task, out,
            "--rows", options.rows, "--first", first,
            *(["--adapter", options.adapter] if options.adapter else []),
        ]  # fmt: skip
        one = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, env=one)
        found = json.loads(out.read_text())
    return [row["output"] for row in found["rows"]], found["cpu_s"], found["packages"]


def loop_texts(
    options: argparse.Namespace, rows: Sequence[Row], golds: Sequence[str], first: int, count: int
) -> tuple[list[str], float]:
    """Run the plain loop over some rows of a set.

    Args:
        options: the command's.
        rows: all rows of the set.
        golds: their right answers as upstream spells them.
        first: the first row.
        count: how many.
    """
    model, tokenizer = load_quantized(options.model_dir, options.adapter, 2024, padded=False)
    begin = time.process_time()
    return plain_texts(model, tokenizer, rows, golds, first, count), time.process_time() - begin


def compared(
    options: argparse.Namespace, engine: Engine, task: str, first: int, rows: Sequence[Row]
) -> dict[str, Any]:
    """Return what both make of some rows of a set.

    Args:
        options: the command's.
        engine: ours, loaded.
        task: the set.
        first: the first row.
        rows: all rows of the set.
    """
    protocol, count = engine.protocol, min(options.rows, len(rows) - first)
    assert protocol.second is not None
    begin = time.process_time()
    plans = list(enumerate(engine.plan(task, rows)))[first : first + count]
    planned = time.process_time()
    ours = our_texts(engine, protocol.second.answers[task], plans)
    ours_cpu_s = time.process_time() - planned
    packages: dict[str, str] = {}
    if options.script is not None:
        board = board_of_task(task).id
        plain, plain_cpu_s, packages = script_texts(options, board, task, first)
    else:
        golds = [protocol.written(row.target) for row in rows]
        plain, plain_cpu_s = loop_texts(options, rows, golds, first, count)
    pairs = [(ours[row], text) for row, text in enumerate(plain, first)]
    assert len(pairs) == count
    answers = [tuple(protocol.read(task, text, "").answer for text in pair) for pair in pairs]
    return {
        "task": task,
        "rows": count,
        "first": first,
        "adapter": str(options.adapter),
        "against": packages or "plain loop",
        "prompt_tokens": sum(len(plan.ids) for _, plan in plans),
        "distinct_tokens": distinct_tokens([plan.ids for _, plan in plans]),
        "plan_cpu_s": round(planned - begin, 2),
        "ours_cpu_s": round(ours_cpu_s, 2),
        "plain_cpu_s": round(plain_cpu_s, 2),
        "cpu_ratio": round(plain_cpu_s / ours_cpu_s, 1),
        "texts_equal": sum(a == b for a, b in pairs),
        "answers_equal": sum(a == b for a, b in answers),
        "different": [pair for pair in pairs if pair[0] != pair[1]][:5],
    }


def official_rows(mirror: Path, challenge: Challenge, task: str) -> Sequence[Row]:
    """Return all rows of a set, of its look-alike where the mirror has no other."""
    item = challenge.evaluation_set(task)
    folder = mirror / "datasets" / item.dataset
    files = [folder / name for name in item.files]
    if not all(path.is_file() for path in files):
        files = [folder / name for name in item.substitute_files]
    return protocol_of(challenge).rows(task, files).rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("mirror", type=Path)
    parser.add_argument("task", nargs="+", metavar="TASK[:FIRST]")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--script-model", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    engine, loaded = None, ""
    for named in options.task:
        task, _, first = named.partition(":")
        challenge = load_challenge(board_of_task(task).id)
        if engine is None or loaded != challenge.id:
            loaded, protocol = challenge.id, protocol_of(challenge)
            given = (options.model_dir, options.adapter, protocol, options.rows, "cpu", 1)
            engine = load_engine(*given)
        rows = official_rows(options.mirror, challenge, task)
        print(json.dumps(compared(options, engine, task, int(first or 0), rows)), flush=True)


if __name__ == "__main__":
    main()
