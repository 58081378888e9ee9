"""Boards whose answers are labels that stand somewhere in a free text.

Source: adap/flower, benchmarks/flowertune-llm/evaluation/finance, `inference` and `change_target`
at 2026-03-29. Restated in our words; `docs/evaluation.md` lists what follows from it.

The official script decodes prompt and continuation together and takes what stands between the first
and the second marker for the answer. With the marker "Answer: " and a model that runs on,

    "Input: Sales rose .\\nAnswer: positive\\nInput: Sales fell .\\nAnswer: negative"

reads "positive\\nInput: Sales fell .\\n", whose label is positive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.boards.challenge import Challenge, LabelEvaluation, TrainingPin
from harness.boards.protocol import Decoding, Lengths, PublishedRow, Reading, SecondMeasure
from harness.boards.protocols.accuracy_files import AccuracyFiles
from harness.boards.protocols.class_measures import class_measures
from harness.boards.published_files import parse_lines
from harness.boards.rows import Row

NO_ANSWER = "None"
"""What upstream puts in place of the answer of a text without the marker."""


def names(answer: str, label: str) -> bool:
    """Whether an answer holds a label in a spelling that counts: lower case or capitalised."""
    return label in answer or label.capitalize() in answer


class LabelProtocol(AccuracyFiles):
    """All of a `BoardProtocol` whose answers are labels, but the rows and the smoke corpus.

    A board's class sets `looked_for` and adds `rows`, `smoke_rows`, `smoke_training` and
    `passages`.
    """

    looked_for: ClassVar[tuple[str, ...]]
    """Labels in the order in which the official script looks for them; the first one that is found
    counts. The default label, which every other text has, is not looked for."""
    example_columns = ("input", "output")
    lengths = Lengths(example=82, shared=47, answer=2, row=68, written=210)
    """Finance's; a board of other texts has its own. Rows, by their time: 3,904 by both measures
    took 288 s of two cores that multiply at 159e9 operations a second, of a model that ends its
    answers; 64 took 41 s of one core by one measure, of one that does not."""
    smoke_training_rows = 1_600
    rederivable = True

    def __init__(self, challenge: Challenge) -> None:
        """Take the facts of the challenge's rules."""
        rules, pin = challenge.protocol, challenge.dataset.pin
        assert isinstance(rules, LabelEvaluation)
        assert isinstance(pin, TrainingPin)
        self.challenge = challenge
        self.id = rules.id
        self.instruction = rules.instruction
        self.trained_on = pin.labels
        self.marker = rules.answer_marker
        self.labels = rules.labels
        self.default = rules.default_label
        self.decoding = Decoding(
            batch_size=rules.batch_size,
            max_length_tokens=rules.max_length_tokens,
            seed=rules.seed,
        )
        self.second: SecondMeasure | None = SecondMeasure(
            answers={item.task: rules.labels for item in challenge.evaluation},
            space=True,
            version="1.0",
        )

    def answer_of(self, text: str) -> str:
        """Return what upstream takes for the answer in a whole decoded text, prompt included."""
        parts = text.split(self.marker, 2)
        return parts[1] if len(parts) > 1 else NO_ANSWER

    def label_of(self, answer: str) -> str:
        """Return the label of an answer.

        With "positive" looked for first, "not positive" is positive and "POSITIVE" is the default.
        """
        return next((label for label in self.looked_for if names(answer, label)), self.default)

    def read(self, task: str, output: str, target: str) -> Reading:
        """Return the label of an output, and whether it names any label, the default included."""
        # The output follows the prompt's first marker, so one stands before it in the whole text.
        answer = self.answer_of(self.marker + output)
        label = self.label_of(answer)
        valid = any(names(answer, each) for each in self.labels)
        return Reading(label, valid, label == target)

    def held_out(self, row: Mapping[str, str]) -> Row | None:
        """Return None; a board whose training rows are its kind of question says otherwise."""
        return None

    def answers(self, task: str) -> tuple[str, ...]:
        """Return the labels."""
        return self.labels

    def targets(self, task: str) -> tuple[str, ...]:
        """Return the labels."""
        return self.labels

    def asked(self, prompt: str) -> str:
        """Return the prompt: the model is given nothing else."""
        return prompt

    def written(self, target: str) -> str:
        """Return the label."""
        return target

    def output_of(self, prompt: str, text: str, new_text: str) -> str:
        """Return what follows the first marker of prompt and continuation decoded together.

        That is the continuation, but for a sentence that itself holds the marker: the output then
        begins inside the prompt, and the sentence decides its own label, as it does upstream.
        """
        return text.partition(self.marker)[2]

    def settled(self, task: str, text: str) -> bool:
        """Whether no continuation of `text` can change its label any more.

        Either the label that is looked for first is in the answer (an answer only grows), or the
        answer is closed by a second marker. Any other label decides nothing: the first one may
        still come. One character must follow the second marker, because tokenizers that tidy
        spaces may still take the marker's own space back when a full stop comes next.
        """
        parts = text.split(self.marker, 2)
        if len(parts) < 2:
            return False
        return names(parts[1], self.looked_for[0]) or (len(parts) == 3 and parts[2] != "")

    def hint(self, tail: str) -> bool:
        """Whether the label that is looked for first, or a marker, stands in the last tokens.

        Without its first letter the label matches both spellings: "ositive" is in "positive" and
        in "Positive".
        """
        return self.looked_for[0][1:] in tail or self.marker.strip(" :") in tail

    def measures(self, task: str, pairs: Mapping[tuple[str, str], int]) -> dict[str, float]:
        """Return macro-F1 and Matthews' correlation."""
        return class_measures(pairs)

    def constants(self, task: str, targets: Sequence[str]) -> dict[str, float]:
        """Return the shares of three constant answers.

        `empty_answer` is the default label; `best_constant` the best single label with hindsight;
        `majority` the label that is most frequent in the training data as this parser reads it
        ("mildly positive" counts as positive).
        """
        count = Counter(targets)
        return {
            "empty_answer": count[self.default] / len(targets),
            "best_constant": max(count.values()) / len(targets),
            "majority": count[self.majority] / len(targets),
        }

    @property
    def majority(self) -> str:
        """The label that this parser reads most often off the training set's answers."""
        count: Counter[str] = Counter()
        for text, rows in self.trained_on.items():
            count[self.label_of(text)] += rows
        return max(count, key=lambda label: count[label])

    def question(self, prompt: str) -> str:
        """Return the prompt without the marker's last space.

        The space belongs to the label here, so that " negative" is whole tokens.
        """
        return prompt.removesuffix(self.marker) + self.marker.rstrip()

    def published(self, text: str, name: str) -> list[PublishedRow]:
        """Read JSON lines of prompt, right label and label read."""
        return parse_lines(text, name)
