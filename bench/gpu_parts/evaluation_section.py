"""The section about the official evaluation, beside a plain loop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from subject import Subject
from timed import Results, free, sync


def evaluation(subject: Subject, results: Results) -> Results:
    """Evaluate a trained model officially, and compare labels with a plain loop's."""
    from harness.boards.registry import protocol_of
    from harness.evaluation.engine import load_engine

    found: Results = {}
    trainer = subject.trainer(
        "dora", 0.0, max_steps=2 if subject.small else 200, learning_rate_max=1e-3,
        **subject.ending_answers(),
    )  # fmt: skip
    begin = time.perf_counter()
    update = trainer.train(trainer.initial(), 1, 0)
    found["trained_s"] = round(time.perf_counter() - begin, 2)
    found["losses"] = update.step_losses[:: max(1, len(update.step_losses) // 10)]
    adapter = subject.save_adapter(trainer, subject.work / "adapter", update.arrays)
    del trainer
    free()
    protocol = protocol_of(subject.resolved.challenge)
    sets = subject.questions()
    total = sum(len(item.rows) for item in sets.values())
    wanted = subject.options.rows or (6 if subject.small else total)
    begin = time.perf_counter()
    engine = load_engine(
        subject.model_dir, adapter, protocol, wanted, subject.device, 1 if subject.small else 8
    )
    sync(subject.device)
    found["load_s"] = round(time.perf_counter() - begin, 2)
    probe = list(enumerate(engine.plan("fiqa", sets["fiqa"].rows)))[:32]
    talk = [text.new_tokens for text in engine.answers(probe)]
    found["probe_new_tokens"] = sum(talk) / len(talk)
    probed = time.perf_counter() - begin - found["load_s"]
    if found["probe_new_tokens"] > 20 and not subject.options.rows:
        wanted = min(wanted, 300)
    found["sets"], rows = {}, 0
    texts: dict[str, dict[int, Any]] = {}
    for task, item in sets.items():
        start = time.perf_counter()
        plans = engine.plan(task, item.rows)
        share = list(enumerate(plans))[: max(1, round(wanted * len(item.rows) / total))]
        texts[task] = {text.row: text for text in engine.answers(share)}
        rows += len(share)
        found["sets"][task] = {
            "rows": len(share),
            "seconds": round(time.perf_counter() - start, 2),
            "prompt_tokens": sum(len(plan.ids) for _, plan in share),
            "new_tokens": sum(text.new_tokens for text in texts[task].values()),
            "ended": {
                kind: sum(text.ended == kind for text in texts[task].values())
                for kind in ("eos", "length", "decided")
            },
        }
        print(task, found["sets"][task], flush=True)
    found["rows"], found["all_s"] = rows, round(time.perf_counter() - begin - probed, 2)
    del engine
    free()
    try:
        found["plain"] = _plain_labels(subject, adapter, protocol, sets, texts)
    except Exception as error:
        found["plain"] = f"{type(error).__name__}: {error}"[:500]
    return found


def _plain_labels(subject: Subject, adapter: Path, protocol: Any, sets: Any, texts: Any) -> Results:
    """Decode the first rows by the plain loop, on this device; count equal labels."""
    from plain_loop import load_quantized
    from plain_loop import texts as plain_texts

    decoding = protocol.decoding
    model, tokenizer = load_quantized(
        subject.model_dir, adapter, decoding.seed, True, subject.device
    )
    found: Results = {"rows": 0, "equal": 0, "seconds": 0.0}
    for task, item in sets.items():
        if found["seconds"] > 25:
            break
        count = min(2 if subject.small else 32, len(texts[task]))
        prompts = [protocol.asked(row.context) for row in item.rows[:count]]
        begin = time.perf_counter()
        theirs = list(
            plain_texts(model, tokenizer, prompts, decoding.batch_size, decoding.max_length_tokens)
        )
        found["seconds"] += time.perf_counter() - begin
        for number, text in enumerate(theirs):
            row = item.rows[number]
            labels = {
                protocol.read(task, protocol.output_of(row.context, each, ""), row.target).answer
                for each in (text, texts[task][number].text)
            }
            found["rows"] += 1
            found["equal"] += len(labels) == 1
    return found
