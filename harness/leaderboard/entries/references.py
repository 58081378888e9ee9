"""Reference rows: what upstream's baseline and answers without a model score."""

from __future__ import annotations

from functools import cache

from harness.boards.challenge import Challenge, challenge_names, load_challenge
from harness.boards.rows import CONTEXT_CHARS, bind_target, pinned_digests
from harness.leaderboard.entries.entry import Entry, EntryScore
from harness.leaderboard.entries.figures import counted, mean_of


@cache
def official_labels(challenge_id: str, task: str) -> tuple[str, ...]:
    """Return the official label of each row, which the row's digest binds."""
    labels = load_challenge(challenge_id).protocol.labels
    return tuple(
        next(label for label in labels if bind_target(row[:CONTEXT_CHARS], label) == row)
        for row in pinned_digests(challenge_id)[task]
    )


def reference_entries(challenge_id: str) -> list[Entry]:
    """Return the reference rows of a challenge; none where its rows are not pinned."""
    if challenge_id not in challenge_names() or not pinned_digests(challenge_id):
        return []
    challenge = load_challenge(challenge_id)
    tasks = [item.task for item in challenge.evaluation]
    labels = {task: official_labels(challenge_id, task) for task in tasks}
    best = {task: max(challenge.protocol.labels, key=labels[task].count) for task in tasks}
    default = challenge.protocol.default_label
    return [
        _entry(challenge, "upstream-baseline", "Published baseline",
               {t: _published(challenge, t, len(labels[t])) for t in tasks},
               "adap/flower's own entry: Mistral-7B-v0.3, LoRA, FedAvg, 200 rounds"),
        _entry(challenge, "best-constant", "Best constant answer",
               {t: _constant(labels[t], best[t]) for t in tasks},
               "one label for every row of a set, the best one: " + ", ".join(
                   f"{t} {best[t]}" for t in tasks)),
        _entry(challenge, "empty-answer", "Empty answer",
               {t: _constant(labels[t], default) for t in tasks},
               f"no output at all, which the official parser reads as {default}"),
    ]  # fmt: skip


def _published(challenge: Challenge, task: str, rows: int) -> EntryScore:
    return counted(round(challenge.protocol.baseline[task] * rows), rows, None)


def _constant(labels: tuple[str, ...], answer: str) -> EntryScore:
    bits = "".join("1" if label == answer else "0" for label in labels)
    return counted(bits.count("1"), len(bits), bits)


def _entry(
    challenge: Challenge, name: str, title: str, scores: dict[str, EntryScore], method: str
) -> Entry:
    average, low, high = mean_of(scores)
    return Entry(
        key=f"{challenge.id}/{name}", name=name, kind="reference", title=title, model="",
        method=method, eligible=False, scores=scores, average=average, low=low, high=high,
        level="claimed" if name == "upstream-baseline" else "derived",
    )  # fmt: skip
