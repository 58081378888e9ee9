"""The merged model answers as the evaluation did, and a row that it answers otherwise is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_run import EVALUATION_KEY

from harness.errors import MissingExtraError
from harness.evaluation.evaluated_run import read_run
from harness.evaluation.session import evaluate
from harness.publishing import same_labels
from harness.publishing.merged_model import write_merged
from harness.publishing.model_forms import tokenizer_of
from harness.publishing.same_labels import (
    Asked,
    asked_rows,
    check_labels,
    gguf_answers,
    llama_cpp,
    merged_answers,
)

ROWS = 20


def test_the_merged_model_gives_the_labels_and_a_flip_is_named_with_its_margin(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(run_dir, None, untrained=False)
    evaluate(run, EVALUATION_KEY, quiet=True)
    folder = tmp_path / "merged"
    write_merged(run, folder)
    rows = asked_rows(run, tokenizer_of(folder), ROWS)
    assert [item.task for item in rows] == ["fpb"] * 7 + ["fiqa"] * 7 + ["tfns"] * 6
    found = check_labels(run, rows, "merged", merged_answers(run, folder, 1))
    assert (found.rows, found.equal, found.flips) == (ROWS, ROWS, ())

    def otherwise(asked: Sequence[Asked]) -> Iterator[tuple[int, str, float | None]]:
        for place, item in enumerate(asked):
            label = "negative" if place == 3 and item.label != "negative" else item.label
            label = "positive" if place == 3 and item.label == "negative" else label
            yield place, f"{item.context}{label}", 0.25

    [flip] = check_labels(run, rows, "GGUF", otherwise).flips
    assert (flip.task, flip.row, flip.margin) == ("fpb", 3, 0.25)
    assert flip.record == rows[3].label != flip.found

    asked: list[dict[str, Any]] = []

    class Server:
        """Stands for llama.cpp: writes a space, then ends."""

        def __init__(self, parameters: Any) -> None:
            assert parameters.n_ctx == run.protocol.decoding.max_length_tokens

        def handle_completions(self, value: dict[str, Any]) -> dict[str, Any]:
            asked.append(value)
            top = [{"logprob": -0.5}, {"logprob": -2.0}]
            token = {"id": value["prompt"][-1], "top_logprobs": top}
            return {"choices": [{"logprobs": {"content": [token]}, "finish_reason": "stop"}]}

    def parameters() -> Any:
        return SimpleNamespace(
            model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace()
        )

    fake = SimpleNamespace(Server=Server, CommonParams=parameters)
    monkeypatch.setattr(same_labels, "llama_cpp", lambda: fake)
    answers = gguf_answers(run, tmp_path / "x.gguf", tokenizer_of(folder), 1)
    told = list(answers(rows[:2]))
    assert [margin for _, _, margin in told] == [1.5, 1.5]
    assert [tuple(value["prompt"]) for value in asked] == [item.plan.ids for item in rows[:2]]
    assert all(value["temperature"] == 0.0 for value in asked)


def test_no_llama_cpp_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"flowertune-harness\[gguf\]"):
        llama_cpp()
