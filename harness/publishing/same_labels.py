"""Whether another form of a run's model gives the record's labels, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from harness.document import Document, parse_json
from harness.errors import MissingExtraError, UsageError, how_to_install
from harness.evaluation.evaluated_run import EvaluatedRun, official_sets
from harness.processes.numeric_threads import use_threads

STEP_TOKENS = 8
"""New tokens between two looks at whether a row's label is settled."""


class Flip(Document):
    """A row whose label is another one in the other form."""

    task: str
    row: int
    record: str
    """The record's label."""
    found: str
    margin: float | None
    """By how many nats the other form prefers a token of its answer to the next likely one, at the
    token where it is least sure: a small one says that rounding decided. None: not asked."""
    off_a_pad: bool
    """Whether the official protocol reads the first token of this row off a pad, which no other
    program does."""


class LabelCheck(Document):
    """The labels of another form of the model, held against the record's."""

    form: str
    """`merged safetensors, float32` or `GGUF f16, llama.cpp ...`."""
    rows: int
    equal: int
    flips: tuple[Flip, ...]


class Asked(NamedTuple):
    """A row as the record answered it."""

    task: str
    row: int
    target: str
    label: str
    """The record's."""
    plan: Any
    """`RowPlan`: tokens of the prompt, and how many new ones it has room for."""
    context: str


Answers = Callable[[Sequence[Asked]], Iterator[tuple[int, str, float | None]]]
"""Rows -> (place in the rows, text of prompt and answer, least margin of its tokens) of each."""


def asked_rows(run: EvaluatedRun, tokenizer: Any, count: int) -> list[Asked]:
    """Return the first rows of every set, `count` in all, with the labels that the run kept.

    Args:
        run: with its generations.
        tokenizer: the base's.
        count: rows wanted; the sets give equal numbers as long as they have rows.

    Raises:
        UsageError: generations are missing, or the board's rows are decoded otherwise.
    """
    from harness.evaluation.decoder.prompts import plan_rows

    decoding = run.protocol.decoding
    if decoding.max_length_tokens is None:
        raise UsageError(
            f"other forms of a model are held against labels of {run.challenge.id} nowhere yet;"
            " publish without --merged and --gguf"
        )
    found: dict[str, list[Asked]] = {}
    for task, official in official_sets(run).items():
        lines = _lines(run.run_dir / "generations" / f"{task}.jsonl")
        prompts = [run.protocol.asked(row.context) for row in official.rows]
        plans = plan_rows(tokenizer, prompts, decoding.batch_size, decoding.max_length_tokens, task)
        rows = zip(lines, official.rows, plans, strict=False)
        found[task] = [
            Asked(task, number, row.target, line["new_out"], plan, row.context)
            for number, (line, row, plan) in enumerate(rows)
        ]
    return _shared(found, count)


def _shared(found: Mapping[str, Sequence[Asked]], count: int) -> list[Asked]:
    longest = max(map(len, found.values()))
    turns = [items[place] for place in range(longest) for items in found.values()
             if place < len(items)]  # fmt: skip
    return sorted(turns[:count], key=lambda item: (list(found).index(item.task), item.row))


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise UsageError(f"{path}: not there; run harness evaluate first")
    with path.open(encoding="utf-8") as file:
        return [parse_json(line, str(path)) for line in file]


def check_labels(
    run: EvaluatedRun,
    rows: Sequence[Asked],
    form: str,
    answers: Answers,
    advance: Callable[[], None] = lambda: None,
) -> LabelCheck:
    """Have rows answered by another form of the model, and compare the labels.

    Args:
        run: whose board reads the answers.
        rows: of `asked_rows`.
        form: what the other form is, in words.
        answers: yields (place in `rows`, text of prompt and answer, margin of the first token).
        advance: called for each row.
    """
    equal, flips = 0, []
    for place, text, margin in answers(rows):
        item = rows[place]
        output = run.protocol.output_of(item.context, text, "")
        label = run.protocol.read(item.task, output, item.target).answer
        if label == item.label:
            equal += 1
        else:
            flips.append(
                Flip(
                    task=item.task,
                    row=item.row,
                    record=item.label,
                    found=label,
                    margin=margin,
                    off_a_pad=item.plan.pad_query,
                )
            )
        advance()
    flips.sort(key=lambda flip: (flip.task, flip.row))
    return LabelCheck(form=form, rows=len(rows), equal=equal, flips=tuple(flips))


def merged_answers(run: EvaluatedRun, folder: Path, threads: int) -> Answers:
    """Return what answers rows with the merged safetensors model, by the evaluation's decoder.

    Args:
        run: whose board says how outputs are made.
        folder: of the merged model.
        threads: processors to use.
    """

    def answers(rows: Sequence[Asked]) -> Iterator[tuple[int, str, float | None]]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from harness.evaluation.engine import Engine
        from harness.evaluation.model.base_model import Base

        use_threads(threads)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        model.eval().requires_grad_(False)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        base = Base(model, tokenizer, int(tokenizer.eos_token_id))
        engine = Engine(base, run.protocol, len(rows), threads)
        with closing(engine.answers([(n, item.plan) for n, item in enumerate(rows)])) as found:
            for done in found:
                yield done.row, done.text, None

    return answers


def gguf_answers(run: EvaluatedRun, file: Path, tokenizer: Any, threads: int) -> Answers:
    """Return what answers rows with a GGUF file, greedily, by llama.cpp.

    The prompts go in as the tokens that the record's had. Each is continued until its label is
    settled, it ends, or it is as long as the protocol lets it be.

    Args:
        run: whose board says when a label is settled.
        file: the GGUF file.
        tokenizer: the base's, which turns tokens into text.
        threads: processors to use.

    Raises:
        MissingExtraError: llama.cpp is not installed.
    """
    llama = llama_cpp()

    def text_of(ids: Sequence[int]) -> str:
        text: str = tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def answers(rows: Sequence[Asked]) -> Iterator[tuple[int, str, float | None]]:
        parameters = llama.CommonParams()
        parameters.model.path = str(file)
        parameters.n_ctx = run.protocol.decoding.max_length_tokens
        parameters.n_parallel = 1
        parameters.warmup = False
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        parameters.verbosity = -1
        server = llama.Server(parameters)
        for place, item in enumerate(rows):
            new: list[int] = []
            margin: float | None = None
            while len(new) < item.plan.budget_tokens:
                wanted = min(STEP_TOKENS, item.plan.budget_tokens - len(new))
                said = server.handle_completions(
                    {
                        "prompt": [*item.plan.ids, *new],
                        "n_predict": wanted,
                        "temperature": 0.0,
                        "logprobs": 2,
                        "cache_prompt": True,
                    }
                )
                [choice] = said["choices"]
                tokens = (choice.get("logprobs") or {}).get("content") or []
                told = [found for token in tokens if (found := _margin(token)) is not None]
                margin = min([*told, *([] if margin is None else [margin])], default=None)
                new += [token["id"] for token in tokens]
                if choice["finish_reason"] != "length" or len(tokens) < wanted:
                    break
                if run.protocol.settled(item.task, text_of([*item.plan.ids, *new])):
                    break
            yield place, text_of([*item.plan.ids, *new]), margin

    return answers


def _margin(token: Mapping[str, Any]) -> float | None:
    """Return by how many nats a token was preferred to the next likely one."""
    values = sorted((item["logprob"] for item in token["top_logprobs"]), reverse=True)
    return values[0] - values[1] if len(values) > 1 and math.isfinite(values[1]) else None


def llama_cpp() -> Any:
    """Return llama.cpp's Python package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import xllamacpp
    except ImportError:
        raise MissingExtraError(
            "a GGUF file is published with a proof of its labels, which needs llama.cpp;"
            f" {how_to_install('gguf')}"
        ) from None
    return xllamacpp
