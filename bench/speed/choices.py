"""How fast and how equal, on boards whose prompts are decoded one by one: the evaluation's decoder
against a plain loop over `generate`, same rows, same machine.

    python bench/speed/choices.py MODEL_DIR MIRROR TASK [--rows 64] [--first 0] [--adapter DIR]

Prints one JSON object: seconds of both, their ratio, and how many texts and answers agree.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from plain_loop import load_quantized

from harness.boards.challenge import load_challenge
from harness.boards.registry import board_of_task, protocol_of
from harness.boards.rows import Row
from harness.evaluation.engine import load_engine

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

    engine = load_engine(
        options.model_dir, options.adapter, protocol, count, "cpu", options.threads
    )
    begin = time.process_time()
    plans = list(enumerate(engine.plan(options.task, rows)))[first : first + count]
    tokens = sum(len(plan.ids) for _, plan in plans)
    planned = time.process_time()
    ours = {found.row: found.new_text for found in engine.answers(plans)}
    ours_cpu_s = time.process_time() - planned
    del engine

    model, tokenizer = load_quantized(options.model_dir, options.adapter, 2024, padded=False)
    begin_plain = time.process_time()
    golds = [protocol.written(row.target) for row in rows]
    plain = plain_texts(model, tokenizer, rows, golds, first, count)
    plain_cpu_s = time.process_time() - begin_plain
    pairs = [(ours[first + place], text) for place, text in enumerate(plain)]
    answers = [
        tuple(protocol.read(options.task, text, "").answer for text in pair) for pair in pairs
    ]
    print(
        json.dumps(
            {
                "task": options.task,
                "rows": len(pairs),
                "prompt_tokens": tokens,
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
