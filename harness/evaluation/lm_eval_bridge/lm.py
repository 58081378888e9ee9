"""The LM that lm-eval drives: it reads finished rows from disk and decodes only what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lm_eval.api.model import TemplateLM

from harness.boards.protocol import BoardProtocol
from harness.boards.rows import Row
from harness.errors import EvaluationError
from harness.evaluation.decoder.prompts import RowPlan
from harness.evaluation.journal import Journal
from harness.evaluation.row_work import row_meter

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

    from harness.evaluation.engine import Engine, Text
    from harness.evaluation.sampling.sampler import Sampler


Told = Callable[[tuple[str, int]], None]
"""(task, row) of a row that is done."""


class JournaledLM(TemplateLM):  # type: ignore[misc]  # lm_eval ships no types
    """Answers lm-eval's requests for the tasks of a board; see `tasks`."""

    def __init__(
        self,
        protocol: BoardProtocol,
        load: Callable[[], Engine],
        rows: Mapping[str, Sequence[Row]],
        texts: Mapping[str, Journal],
        weights: Mapping[str, Journal],
        quiet: bool = False,
        load_sampler: Callable[[], Sampler] | None = None,
    ) -> None:
        """Prepare; nothing is loaded before a row is missing.

        Args:
            protocol: the board's.
            load: loads the model.
            rows: task -> all its official rows, in order, however few are asked for:
                they decide how a row's batch is padded.
            texts: task -> journal of its official answers.
            weights: task -> journal of its log-likelihoods.
            quiet: print no progress.
            load_sampler: loads the model of a board whose outputs are programs; None on others.
        """
        super().__init__()
        self._load_sampler = load_sampler
        self.protocol, self._load, self._rows = protocol, load, rows
        self._texts, self._weights, self._quiet = texts, weights, quiet
        self._targets: dict[tuple[str, int], str] = {}

    @cached_property
    def engine(self) -> Engine:
        """The model, loaded when first needed."""
        return self._load()

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Return the official text of every request, decoding the rows that no journal holds.

        Of a request whose output is a program the text is the verdict on it.
        """
        if self.protocol.decoding.sampling is not None:
            return self._verdicts(requests)
        rows = [(request.doc["task"], request.doc["row"]) for request in requests]
        missing = [key for key in rows if key[1] not in self._texts[key[0]].rows]
        if missing:
            self._targets = {
                key: request.doc["target"] for key, request in zip(rows, requests, strict=True)
            }
            plans = self._plans(rows)
            ordered = [plans[task][row] for task, row in rows]
            told = self._told("answers", rows, [plan.ids for plan in ordered], missing)
            self._read_once(rows, ordered, told)
            left = [key for key in missing if key[1] not in self._texts[key[0]].rows]
            numbered = [(number, plans[task][row]) for number, (task, row) in enumerate(left)]
            with closing(self.engine.answers(numbered)) as found:
                for done in found:
                    self._keep(left[done.row], done, told)
        return [self._texts[task].rows[row]["output"] for task, row in rows]

    def _read_once(
        self, rows: Sequence[tuple[str, int]], plans: Sequence[RowPlan], told: Told
    ) -> None:
        """Take text and log-likelihoods of rows with one new token from one reading of a prompt.

        Args:
            rows: (task, row) of all rows that are asked for.
            plans: theirs.
            told: is told of each row that gets a text.
        """
        from harness.evaluation.decoder.loglikelihood import Labels

        second = self.protocol.second
        if second is None or second.space:
            return
        missing = {
            number
            for number, ((task, row), plan) in enumerate(zip(rows, plans, strict=True))
            if plan.budget_tokens == 1 and row not in self._texts[task].rows
        }
        if not missing:
            return
        answers = {task: self._encoded(task) for task in dict.fromkeys(task for task, _ in rows)}
        items = [
            Labels(number, plan.ids, answers[task])
            for number, ((task, _), plan) in enumerate(zip(rows, plans, strict=True))
        ]
        with closing(self.engine.both(plans, items, missing)) as found:
            for done, weighed in found:
                task, row = rows[done.row]
                if row not in self._weights[task].rows:
                    line = self._weighed(task, self._targets[task, row], weighed)
                    self._weights[task].append(row, line)
                self._keep((task, row), done, told)

    def _encoded(self, task: str) -> tuple[tuple[int, ...], ...]:
        """Return the tokens of each answer that a set's rows are weighed by."""
        assert self.protocol.second is not None
        texts = map(self.protocol.written, self.protocol.second.answers[task])
        return tuple(tuple(self.tok_encode(text, False)) for text in texts)

    def _keep(self, key: tuple[str, int], done: Text, told: Told) -> None:
        """Write a finished row into its journal."""
        task, row = key
        target = self._targets[key]
        output = self.protocol.output_of(self._rows[task][row].context, done.text, done.new_text)
        self._texts[task].append(
            row,
            {
                "target": target,
                "output": output,
                "ended": done.ended,
                "new_tokens": done.new_tokens,
                "new_target": target,
                "new_out": self.protocol.read(task, output, target).answer,
                **self._subset(task, row),
            },
        )
        told(key)

    def _told(
        self,
        title: str,
        rows: Sequence[tuple[str, int]],
        prompts: Sequence[Sequence[int]],
        missing: Sequence[tuple[str, int]],
    ) -> Told:
        """Begin to tell how far the rows are; return what is called with each that is done.

        Args:
            title: what the rows get.
            rows: (task, row) of all rows.
            prompts: their tokens.
            missing: those of the rows that are still to be done.
        """
        meter, work = row_meter(title, prompts, self._quiet)
        tokens = dict(zip(rows, work, strict=True))
        done = set(rows).difference(missing)
        meter.skip(len(done), sum(tokens[key] for key in done))

        def told(key: tuple[str, int]) -> None:
            meter.advance(note=f"{key[0]} row {key[1]}", work=tokens[key])

        return told

    def _verdicts(self, requests: list[Instance]) -> list[str]:
        from harness.evaluation.sampling.programs import fill

        assert self.protocol.decoding.sampling is not None
        for task in dict.fromkeys(request.doc["task"] for request in requests):
            journal, form = self._texts[task], self.protocol.decoding.sampling.forms[task]
            rows = self._rows[task][: len(journal.contexts)]
            fill(task, rows, journal, lambda: self.sampler, form, self._quiet)
        return [self._texts[r.doc["task"]].rows[r.doc["row"]]["new_out"] for r in requests]

    @cached_property
    def sampler(self) -> Sampler:
        """The model that draws programs, loaded when first needed."""
        assert self._load_sampler is not None
        return self._load_sampler()

    def _subset(self, task: str, row: int) -> dict[str, str]:
        subset = self._rows[task][row].subset
        return {} if subset is None else {"subset": subset}

    def _plans(self, rows: Sequence[tuple[str, int]]) -> dict[str, list[RowPlan]]:
        last: dict[str, int] = {}
        for task, row in rows:
            last[task] = max(row, last.get(task, 0))
        return {
            task: self.engine.plan(task, self._rows[task], row + 1) for task, row in last.items()
        }

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Return (log-likelihood, greedy) of every request; a row's requests stand together."""
        from harness.evaluation.decoder.loglikelihood import Labels

        groups: dict[tuple[str, int], list[Instance]] = defaultdict(list)
        for request in requests:
            groups[request.doc["task"], request.doc["row"]].append(request)
        keys = list(groups)
        missing = {
            number for number, (task, row) in enumerate(keys) if row not in self._weights[task].rows
        }
        if missing:
            items = []
            for number, key in enumerate(keys):
                pairs = [self._encode_pair(*request.args) for request in groups[key]]
                items.append(
                    Labels(number, tuple(pairs[0][0]), tuple(tuple(end) for _, end in pairs))
                )
            prompts = [item.prompt for item in items]
            unknown = [keys[number] for number in missing]
            told = self._told("log-likelihoods", keys, prompts, unknown)
            with closing(self.engine.weights(items, missing)) as found:
                for done in found:
                    task, row = keys[done.row]
                    target = groups[task, row][0].doc["target"]
                    self._weights[task].append(row, self._weighed(task, target, done))
                    told((task, row))
        place: dict[tuple[str, int], int] = defaultdict(int)
        results = []
        for request in requests:
            key = (request.doc["task"], request.doc["row"])
            line = self._weights[key[0]].rows[key[1]]
            results.append((line["loglikelihoods"][place[key]], line["greedy"][place[key]]))
            place[key] += 1
        return results

    def _weighed(self, task: str, target: str, done: Any) -> dict[str, Any]:
        second = self.protocol.second
        assert second is not None
        names = second.answers[task]
        best = max(range(len(names)), key=lambda place: done.loglikelihoods[place])
        return {
            "labels": list(names),
            "loglikelihoods": list(done.loglikelihoods),
            "greedy": list(done.greedy),
            "new_target": target,
            "new_out": names[best],
        }

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        second = self.protocol.second
        if second is not None and not second.space:
            return self.tok_encode(context), self.tok_encode(continuation, False)
        pair: tuple[list[int], list[int]] = super()._encode_pair(context, continuation)
        return pair

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        """Refuse: no task of ours asks for it.

        Raises:
            EvaluationError: always.
        """
        raise EvaluationError("perplexity of whole texts is not measured; use the tasks in harness")

    def _loglikelihood_tokens(self, requests: Any, **_: Any) -> list[tuple[float, bool]]:
        raise NotImplementedError("`loglikelihood` answers without it")

    @property
    def eot_token_id(self) -> int:
        """The tokenizer's EOS."""
        return self.engine.base.eos_id

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        """Return the tokens of a text, with the tokenizer's own special tokens by default."""
        special = True if add_special_tokens is None else add_special_tokens
        ids: list[int] = self.engine.base.tokenizer(string, add_special_tokens=special)["input_ids"]
        return ids
