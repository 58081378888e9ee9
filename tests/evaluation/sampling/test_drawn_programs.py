"""Programs are drawn as plain `generate` draws them, kept line by line, and executed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from harness.boards.protocol import ProgramForm, Sampling
from harness.boards.protocols.programs import until_stop
from harness.boards.rows import Row
from harness.errors import EvaluationError
from harness.evaluation.journal import Journal
from harness.evaluation.model.base_model import load_base
from harness.evaluation.model.merged_adapter import merge_adapter
from harness.evaluation.proof import Proof
from harness.evaluation.sampling import programs
from harness.evaluation.sampling.nucleus import LIKELIEST, Nucleus
from harness.evaluation.sampling.sampler import Drawn, Sampler
from harness.evaluation.sampling.stop_words import TAIL_TOKENS, EveryCompletionStopped

PROMPTS = ["def add(x):", "Write it.\n", "  return x\n\nclass A", "def add(x):"]
FORM = ProgramForm(language="python", max_length_tokens=90, stop_words=("\n", "qz"))
SAMPLING = Sampling(temperature=0.9, top_p=0.95, samples=4, seed=0, forms={"set": FORM})


@pytest.fixture
def sampler(model_dir: Path, save_adapter: Callable[..., Path], tmp_path: Path) -> Sampler:
    """The tiny model with an adapter, in float32."""
    base = load_base(model_dir, "cpu", 0, noted=True, quantized=False)
    merge_adapter(base, save_adapter(tmp_path / "adapter"))
    return Sampler(base, SAMPLING, smoke=False)


class Plain(transformers.StoppingCriteria):  # type: ignore[misc]
    """Decodes everything at every step, as upstream does."""

    def __init__(self, tokenizer: Any, prompt_tokens: int, words: tuple[str, ...]) -> None:
        self.tokenizer, self.prompt_tokens, self.words = tokenizer, prompt_tokens, words

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> bool:
        texts = self.tokenizer.batch_decode(input_ids[:, self.prompt_tokens :])
        return all(any(word in text for word in self.words) for text in texts)


def plainly(sampler: Sampler, prompts: list[str]) -> list[str]:
    """Return what `generate` and nothing of ours makes of the prompts."""
    tokenizer, texts = sampler.base.tokenizer, []
    words = (*FORM.stop_words, tokenizer.eos_token)
    torch.manual_seed(0)
    torch.empty((), dtype=torch.int64).random_()
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        drawn = sampler.base.model.generate(
            input_ids=ids, num_return_sequences=4, do_sample=True, temperature=0.9, top_p=0.95,
            top_k=0, max_length=FORM.max_length_tokens,
            stopping_criteria=transformers.StoppingCriteriaList(
                [Plain(tokenizer, ids.shape[1], words)]
            ),
        )  # fmt: skip
        text = tokenizer.decode(drawn[0], skip_special_tokens=False)
        texts.append(until_stop(text[len(prompt) :], words))
    return texts


def test_completions_are_those_of_plain_generate(sampler: Sampler) -> None:
    drawn = list(sampler.draw("set", PROMPTS))
    assert [each.completion for each in drawn] == plainly(sampler, PROMPTS)
    assert len({each.completion for each in drawn}) > 2
    assert any(each.stopped for each in drawn)


def test_a_set_goes_on_with_the_numbers_that_a_problem_left(sampler: Sampler) -> None:
    whole = list(sampler.draw("set", PROMPTS))
    torch.manual_seed(7)
    assert list(sampler.draw("set", PROMPTS, 2, whole[1].random)) == whole[2:]
    with pytest.raises(EvaluationError, match="no state of this generator"):
        next(sampler.draw("set", PROMPTS, 2, "AAAA"))


def test_a_prompt_that_fills_the_length_is_kept_alone(sampler: Sampler) -> None:
    short = FORM.with_values(max_length_tokens=3)
    sampler.sampling = SAMPLING.with_values(forms={"set": short})
    (drawn,) = sampler.draw("set", ["def add(x): return x"])
    assert (drawn.completion, drawn.steps) == ("", 0)


@pytest.mark.parametrize("spread", [0.0, 1e-6, 0.3, 3.0, 30.0])
@pytest.mark.parametrize("vocabulary", [40, LIKELIEST + 1, 5000])
def test_the_nucleus_is_the_library_s(spread: float, vocabulary: int) -> None:
    """Also where it is large, or ends among equals, and sorting has to decide."""
    draws = torch.Generator().manual_seed(vocabulary)
    for _ in range(20):
        scores = torch.randn(4, vocabulary, generator=draws) * spread
        expected = transformers.TopPLogitsWarper(0.95)(None, scores)
        assert torch.equal(Nucleus(0.95)(None, scores), expected)


def test_sums_that_are_close_to_the_bound_are_left_to_sorting() -> None:
    scores = torch.log(torch.tensor([[0.5, 0.45, 0.03, 0.02], [0.7, 0.2, 0.06, 0.04]]))
    expected = transformers.TopPLogitsWarper(0.95)(None, scores)
    assert torch.equal(Nucleus(0.95)(None, scores), expected)


def test_drawing_ends_when_each_completion_has_held_a_stop_word(sampler: Sampler) -> None:
    """Also one that stands further back than the tail that is looked at."""
    tokenizer = sampler.base.tokenizer
    rows = [tokenizer(text)["input_ids"] for text in ("a\n" + "b " * 80, "b " * 70 + "qz" + " b")]
    length = min(map(len, rows))
    assert length > TAIL_TOKENS + 2
    ids = torch.tensor([row[:length] for row in rows])
    words = (*FORM.stop_words, tokenizer.eos_token)
    ours, plain = EveryCompletionStopped(tokenizer, 1, words), Plain(tokenizer, 1, words)
    for end in range(2, length + 1):
        assert ours(ids[:, :end], None) == plain(ids[:, :end], None)


class Killed(Exception):  # noqa: N818  # nothing went wrong
    """What ends a command at any moment."""


class FewAtATime:
    """Draws numbered completions and is killed before one of them."""

    def __init__(self, dies_at: int) -> None:
        self.dies_at, self.asked = dies_at, (0, "")

    def draw(self, task: str, prompts: list[str], first: int, random: str) -> Iterator[Drawn]:
        self.asked = (first, random)
        for row in range(first, len(prompts)):
            if row == self.dies_at:
                raise Killed
            yield Drawn(row, f"\n    return x + {row}", True, 5, f"after {row}")


ROWS = [Row(f"def f{i}(x):", "passed", tests=f"assert f{i}(1) == 2") for i in range(4)]


def filled(folder: Path, dies_at: int) -> tuple[Journal, FewAtATime]:
    contexts = tuple(row.context for row in ROWS)
    sampler = FewAtATime(dies_at)
    with Journal(folder, "set", contexts, Proof("0" * 64, "it")) as journal:
        try:
            programs.fill("set", ROWS, journal, lambda: sampler, FORM, quiet=True)  # type: ignore[arg-type, return-value]
        except Killed:
            return journal, sampler
        journal.finish()
    return journal, sampler


def test_a_killed_evaluation_goes_on_with_the_same_numbers_and_executes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    execute = programs.execute

    def counted(sources: list[str], language: str, **options: Any) -> Any:
        calls.append(len(sources))
        return execute(sources, language, policy="auto", progress=options["progress"])

    monkeypatch.setattr(programs, "execute", counted)
    filled(tmp_path, dies_at=2)
    journal, sampler = filled(tmp_path, dies_at=9)
    assert sampler.asked == (2, "after 1")
    lines = [json.loads(line) for line in journal.final.read_text().splitlines()]
    assert [line["new_out"] for line in lines] == ["failed", "passed", "failed", "failed"]
    assert all(line["attempts"] and line["toolchain"].startswith("Python") for line in lines)
    assert not any("random" in line for line in lines)
    filled(tmp_path, dies_at=0)
    assert calls == [4]


def test_kept_rows_with_a_gap_are_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, "set", ("a", "b"), Proof("0" * 64, "it")) as journal:
        journal.append(1, {"output": "x"})
        with pytest.raises(EvaluationError, match="rows are missing between kept ones"):
            programs.fill("set", ROWS[:2], journal, lambda: FewAtATime(9), FORM, quiet=True)  # type: ignore[arg-type, return-value]
