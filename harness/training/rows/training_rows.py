"""What the clients of one run train on: a partition's examples, and which of them in a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.boards.challenge import Challenge
from harness.plugins import Bound
from harness.spec import RunSpec
from harness.training.extensions.own_rows import own_order, rewritten_rows
from harness.training.rows.example_order import example_order
from harness.training.rows.examples import Example, as_they_are, kept_rows
from harness.training.rows.partitions import Partitions


class TrainingRows:
    """The partitions of one run; each is tokenised when it is first asked for, and then kept."""

    def __init__(
        self,
        spec: RunSpec,
        challenge: Challenge,
        training_file: str | None,
        tokenizer: Any,
        part: Bound | None,
    ) -> None:
        """Read the table, and count the rows that have nothing to train on.

        Args:
            spec: the run.
            challenge: data set and partitioner.
            training_file: as for `Partitions`.
            tokenizer: the model's.
            part: the plugin's component that rewrites or orders rows, or None.

        Raises:
            PluginError: a partition has no row to train on.
            SourceError: the training file cannot be read.
        """
        self._spec, self._tokenizer, self._part = spec, tokenizer, part
        self._table = Partitions(challenge, training_file)
        self._examples: dict[int, list[Example]] = {}
        self._texts: dict[int, list[Mapping[str, str]]] = {}
        self._sizes: dict[int, int] = {}
        self._left_out, self._rows = self._table.left_out(
            spec.train, tokenizer, as_they_are if part is None else self._rewrite
        )

    def examples(self, partition: int) -> list[Example]:
        """Return the tokenised rows of a partition."""
        if partition not in self._examples:
            rows = self._table.rows(partition)
            kept = kept_rows(rows, self._spec.train, self._tokenizer, partition, self._rewrite)
            self.put(partition, [example for example, _ in kept], len(rows))
            if self._part is not None:
                self._texts[partition] = [text for _, text in kept]
        return self._examples[partition]

    def put(self, partition: int, examples: list[Example], rows: int) -> None:
        """Have these examples as those of a partition, which has so many rows."""
        self._examples[partition], self._sizes[partition] = examples, rows

    def size(self, partition: int) -> int:
        """Return how many rows a partition has, trained on or not."""
        self.examples(partition)
        return self._sizes[partition]

    def of_round(self, partition: int, round: int) -> list[Example]:
        """Return the examples of a round's steps: in the harness's order, or in a plugin's."""
        examples = self.examples(partition)
        part = self._part
        if part is not None and part.value.order is not None:
            order = own_order(part, self._texts[partition], partition, round, self._spec)
        else:
            order = example_order(self._spec, partition, round, len(examples))
        return [examples[place] for place in order]

    def notes(self) -> list[str]:
        """Return, for the record, how many rows of all partitions are left out, if any are."""
        return [
            f"{self._left_out} of {self._rows} rows have no token of their answer within"
            f" seq_length {self._spec.train.seq_length} and were left out"
        ] * bool(self._left_out)

    def _rewrite(
        self, rows: Sequence[Mapping[str, str]], partition: int
    ) -> Sequence[Mapping[str, str]]:
        return rewritten_rows(self._part, rows, partition, self._spec)
