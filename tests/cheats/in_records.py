"""Cheats of records: figures and files changed by someone who makes every digest anew."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cheat import cheat

sys.path.insert(0, str(Path(__file__).parents[1]))

from clean_submission import Submission, fake_digest  # needs the path above

EDITOR = "minutes with an editor, digests made anew"


def verified(folder: Path, change: Callable[[Submission], None]) -> str:
    """Verify a submission in which everything agrees but for the change."""
    from harness.submissions.check import verify

    submission = Submission()
    change(submission)
    target = submission.write(folder / "submissions" / "finance" / "pretend")
    return "; ".join(item.rule for item in verify([target]).findings)


def rounds_of(submission: Submission) -> list[dict[str, Any]]:
    rounds: list[dict[str, Any]] = submission.record["federation"]["rounds"]
    return rounds


@cheat("a lower loss in one round", "verify", "train-loss", EDITOR)
def better_loss(folder: Path) -> str:
    """It is the mean of its clients' losses."""

    def change(item: Submission) -> None:
        rounds_of(item)[0]["train_loss"] *= 0.9
        item.rechain()

    return verified(folder, change)


@cheat("half of the bytes", "verify", "total-bytes", EDITOR)
def fewer_bytes(folder: Path) -> str:
    """They follow from the shapes of the adapter and the rounds."""

    def change(item: Submission) -> None:
        item.record["communication"]["bytes_total"] //= 2

    return verified(folder, change)


@cheat("a score two points higher than the answers give", "verify", "score", EDITOR)
def better_score(folder: Path) -> str:
    """Every answer is read again."""

    def change(item: Submission) -> None:
        score = item.record["scores"][0]
        score["correct"] += 20
        score["value"] = score["correct"] / score["examples"]

    return verified(folder, change)


@cheat("one aggregate for two rounds", "verify", "updates-differ", EDITOR)
def standing_still(folder: Path) -> str:
    """A round that trained gives another adapter."""

    def change(item: Submission) -> None:
        rounds_of(item)[1]["aggregate_sha256"] = rounds_of(item)[0]["aggregate_sha256"]
        item.rechain()

    return verified(folder, change)


@cheat("a client with a tenth of its examples", "verify", "examples", EDITOR)
def lighter_client(folder: Path) -> str:
    """The partitions follow from the challenge."""

    def change(item: Submission) -> None:
        first = rounds_of(item)[0]
        first["clients"][0]["examples"] = 10
        total = sum(each["examples"] for each in first["clients"])
        losses = sum(each["train_loss"] * each["examples"] for each in first["clients"])
        first["train_loss"] = losses / total
        item.rechain()

    return verified(folder, change)


@cheat("a learning rate that the schedule does not give", "verify", "learning-rate", EDITOR)
def other_learning_rate(folder: Path) -> str:
    """It follows from the recipe and the round."""

    def change(item: Submission) -> None:
        rounds_of(item)[0]["learning_rate"] *= 1.01
        item.rechain()

    return verified(folder, change)


@cheat("another limit of communication in the record", "verify", "limit-bytes", EDITOR)
def wider_limit(folder: Path) -> str:
    """It is the challenge's."""

    def change(item: Submission) -> None:
        item.record["communication"]["limit_bytes"] *= 2

    return verified(folder, change)


@cheat("the plugin is called audited, and its digest is nobody's", "verify", "own-code", EDITOR)
def code_called_audited(folder: Path) -> str:
    """Whose code ran follows from digests."""
    return verified(folder, lambda item: item.record.update(own_code=[]))


@cheat("a pickle among the adapter's files", "verify", "known-files", EDITOR)
def pickled_adapter(folder: Path) -> str:
    """It would run code where it is loaded."""
    return verified(folder, lambda item: item.extra.update({"adapter/adapter_model.bin": b"\x80"}))


@cheat(
    "all answers and both scores invented, every digest made anew",
    "re-evaluation",
    "differs: fpb",
    "an hour: labels are public, rows are pinned",
)
def invented_answers(folder: Path) -> str:
    """Verify finds nothing: everything agrees. The adapter gives other answers."""
    if found := verified(folder, lambda item: None):
        return found
    from unittest.mock import patch

    from harness.record.score import Score
    from harness.reproduce import evaluation

    said = Score.model_validate(Submission(skill=0.9).record["scores"][0])
    again = Score.model_validate(Submission(skill=0.4).record["scores"][0])
    labels = ["positive"] * said.examples
    with patch.object(evaluation, "_run_labels", lambda path: ["neutral", *labels[1:]]):
        items = evaluation._compare(said, [again], folder, {said.task: labels})
    return "; ".join(f"differs: {item.what}" for item in items if not item.equal)


@cheat(
    "a whole history invented: losses, digests of updates and aggregates",
    "repetition",
    "supports B",
    "an hour of writing; no training at all",
)
def invented_rounds(folder: Path) -> str:
    """Verify finds nothing: a chain of digests says only that nothing was changed since."""
    if found := verified(folder / "verified", lambda item: None):
        return found
    from one_bit import kept, repeated_here
    from tiny_model import make_tiny_model
    from tiny_run import tiny_run

    from harness.federation.storage.ledger import Ledger
    from harness.plugins import loading
    from harness.reproduce.dispute import dispute

    loading.load.cache_clear()
    run = tiny_run(make_tiny_model(folder / "model"), supernodes=4)
    with repeated_here(run):
        kept(run, folder / "honest", keep_checkpoints=3)
        kept(run, folder / "invented", keep_checkpoints=3)
        rounds = list(Ledger(folder / "invented").rounds)
        previous = rounds[0].previous_digest
        for place, item in enumerate(rounds):
            made = item.with_values(
                aggregate_sha256=fake_digest("aggregate", place), previous_digest=previous
            )
            rounds[place] = made.with_values(digest=made.chain_digest())
            previous = rounds[place].digest
        text = "".join(item.canonical_json() + "\n" for item in rounds)
        (folder / "invented" / "rounds.jsonl").write_text(text)
        found = dispute(folder / "invented", folder / "honest", folder / "again")
    return found.lines()[-1].replace("the repetition ", "")
