"""Every limit and tolerance of the checker, from both sides: just inside passes, just outside not.

`tests/test_thresholds.py` keeps the list of all of them.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission, generation_lines
from clean_submission import score_of as counted_score
from test_rules import another_strategy, measure, rounds_of

from harness.boards.challenge import load_challenge
from harness.document import sha256_text
from harness.submissions.check import verify

FOLDER = "submissions/finance/pretend"
CHALLENGE = load_challenge("finance")

Change = Callable[[Submission], None]


@dataclass(frozen=True)
class Limit:
    """A limit of one rule: a change of a clean submission that passes, and one that does not."""

    rule: str
    inside: Change
    outside: Change
    alone: bool = True
    """Whether no other rule objects to either; where the change is crude, others may."""


LIMITS: dict[str, Limit] = {}


def broken_by(path: Path) -> set[str]:
    return {item.rule for item in verify([path]).findings}


def limit(name: str, rule: str, change: Callable[[Submission, Any], None], inside: Any,
          outside: Any, alone: bool = True) -> None:  # fmt: skip
    """Add a limit that `change` reaches with one value and passes with another."""
    assert name not in LIMITS
    LIMITS[name] = Limit(
        rule, lambda s: change(s, inside), lambda s: change(s, outside), alone
    )  # fmt: skip


# Texts and numbers of a stranger's document.


def note(s: Submission, text: str) -> None:
    s.record["environment"]["device"]["note"] = text


def platform(s: Submission, text: str) -> None:
    s.record["environment"]["platform"] = text


def seconds(s: Submission, value: float) -> None:
    s.record["timing"]["evaluate"] = value


def total_bytes(s: Submission, value: int) -> None:
    s.record["communication"]["bytes_total"] = value


def prompt(s: Submission, value: str) -> None:
    s.respec(lambda spec: spec["train"].update(prompt={"style": "chat", "system": value}))


limit("length of a string", "readable", note, "x" * 8192, "x" * 8193)
limit("length of a key", "readable", lambda s, n: s.record["timing"].update({"k" * n: 1.0}),
      8192, 8193, alone=False)  # fmt: skip
limit("a positive integer", "readable", total_bytes, 2**63 - 1, 2**63, alone=False)
limit("a negative integer", "readable", total_bytes, 1 - 2**63, -(2**63), alone=False)
limit("a positive float", "readable", seconds, 1e18, 1.0000001e18, alone=False)
limit("a negative float", "readable", seconds, -1e18, -1.0000001e18, alone=False)

for _name, _char in {
    "a right-to-left override": "\u202e", "a zero-width space": "\u200b", "a soft hyphen": "\u00ad",
    "a byte order mark": "\ufeff", "a bell": "\x07", "a C1 control": "\x85",
    "a private character": "\ue000", "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
}.items():  # fmt: skip
    # The joiner of emoji families re-orders nothing and hides nothing.
    limit(_name, "readable", prompt, "a\u200db\n\tc é 漢", f"a{_char}b")


# Losses, rates and times.


def first_loss(s: Submission, factor: float) -> None:
    s.record["federation"]["rounds"][0]["train_loss"] *= factor
    s.rechain()


def first_rate(s: Submission, factor: float) -> None:
    s.record["federation"]["rounds"][0]["learning_rate"] *= factor
    s.rechain()


def federate_seconds(s: Submission, value: float) -> None:
    """Move seconds between the stages, so that the cost stays."""
    timing = s.record["timing"]
    timing["evaluate"] += timing["federate"] - value
    timing["federate"] = value


def all_seconds(s: Submission, value: float) -> None:
    s.respec(lambda spec: spec.update(price=None))
    s.record["cost"] = None
    s.record["timing"]["evaluate"] = value - s.record["timing"]["federate"]


def product_error(s: Submission, value: float) -> None:
    rounds_of(s)[1]["aggregation_error"] = value
    s.rechain()


limit("an error of averaging factors", "aggregation-error", product_error, 2.0**30, 2.0**30 + 1)
limit("a round's loss, too low", "train-loss", first_loss, 1 - 0.9e-9, 1 - 1.1e-9)
limit("a round's loss, too high", "train-loss", first_loss, 1 + 0.9e-9, 1 + 1.1e-9)
limit("a learning rate, too low", "learning-rate", first_rate, 1 - 0.9e-12, 1 - 1.1e-12)
limit("a learning rate, too high", "learning-rate", first_rate, 1 + 0.9e-12, 1 + 1.1e-12)


def derived(s: Submission, value: float) -> None:
    measure(s)
    rounds_of(s)[2]["dependence"]["derived"] = value
    s.rechain()


def trained(s: Submission, value: float) -> None:
    s.respec(lambda spec: another_strategy(spec, "pretend/own"))
    measure(s, known=False)
    rounds_of(s)[0]["clients"][1]["trained_influence"] = value
    s.rechain()


def of_another_strategy(s: Submission, field: str, value: float, clients: float = 0.2) -> None:
    s.respec(lambda spec: another_strategy(spec, "pretend/own"))
    measure(s, known=False)
    rounds_of(s)[0]["dependence"][field] = value
    for client in rounds_of(s)[0]["clients"]:
        client["influence"] = clients
    s.rechain()


def together(s: Submission, value: float) -> None:
    of_another_strategy(s, "together", value, clients=0.0)


def unmoved(s: Submission, value: float) -> None:
    of_another_strategy(s, "unmoved", value)


def sent(s: Submission, value: float) -> None:
    of_another_strategy(s, "start", value)


limit("a distance from the formula", "dependence", derived, 1e-4, 1.01e-4)
limit("a reply that follows training", "dependence", trained, 1e-6, 0.99e-6)
limit("an aggregate that follows replies", "dependence", together, 1e-6, 0.99e-6)
limit("an aggregate when nobody has moved", "other-sources", unmoved, 0.5, 0.501)
limit("what clients of others start from", "other-sources", sent, 1e-4, 1.01e-4)
# Three rounds of 12.5 s: a hundredth of a second and a millionth may be missing.
limit("seconds of the rounds", "timing", federate_seconds, 37.489963, 37.489962)
# From the challenge's day, 2026-03-29, to 2026-04-01 12:00, and a day that clocks may differ.
limit("seconds since the challenge opened", "timing", all_seconds, 4.5 * 86400, 4.5 * 86400 + 1)


def made(s: Submission, moment: datetime) -> None:
    s.record["created"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    rest = s.record["run_id"].partition("-")[2]
    s.record["run_id"] = f"{moment:%Y%m%dT%H%M%SZ}-{rest}"


def made_hence(s: Submission, minutes: int) -> None:
    made(s, datetime.now(UTC) + timedelta(minutes=minutes))


limit("the day of the rules", "created", made,
      datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 3, 28, 23, 59, 59, tzinfo=UTC))  # fmt: skip
limit("a day into the future", "created", made_hence, 24 * 60 - 2, 24 * 60 + 2)


# Costs, of a short run by their absolute tolerance and of a long one by their relative one.


def cost(s: Submission, name: str, change: Callable[[float], float], evaluate: float) -> None:
    """Change one part of the cost of a run whose evaluation took so many seconds."""
    s.record["timing"]["evaluate"] = evaluate
    hours = sum(s.record["timing"].values()) / 3600
    value = s.record["cost"]
    value["hours"], value["total"] = hours, value["per_hour"] * hours
    value[name] = change(value[name])
    if name == "hours":
        value["total"] = value["per_hour"] * value["hours"]


def cost_off(name: str, inside: Callable[[float], float], outside: Callable[[float], float],
             evaluate: float) -> Limit:  # fmt: skip
    return Limit(
        "cost",
        lambda s: cost(s, name, inside, evaluate),
        lambda s: cost(s, name, outside, evaluate),
    )


SHORT_S, LONG_S = 300.0, 360_000.0
LIMITS["price per hour"] = cost_off(
    "per_hour", lambda x: x * (1 + 0.9e-6), lambda x: x * (1 + 1.1e-6), SHORT_S
)
LIMITS["hours of a short run"] = cost_off(
    "hours", lambda x: x + 0.9e-4, lambda x: x + 1.1e-4, SHORT_S
)
LIMITS["hours of a long run"] = cost_off(
    "hours", lambda x: x * (1 - 0.9e-4), lambda x: x * (1 - 1.1e-4), LONG_S
)
LIMITS["total of a short run"] = cost_off(
    "total", lambda x: x + 0.9e-4, lambda x: x + 1.1e-4, SHORT_S
)
LIMITS["total of a long run"] = cost_off(
    "total", lambda x: x * (1 - 0.9e-4), lambda x: x * (1 - 1.1e-4), LONG_S
)


# Scores.


def score_of(s: Submission, task: str) -> dict[str, Any]:
    return next(score for score in s.record["scores"] if score["task"] == task)


def off(name: str) -> Callable[[Submission, float], None]:
    def change(s: Submission, by: float) -> None:
        score_of(s, "fpb")[name] += by

    return change


def interval_off(place: int) -> Callable[[Submission, float], None]:
    def change(s: Submission, by: float) -> None:
        score_of(s, "fpb")["interval"][place] += by

    return change


def average_off(s: Submission, by: float) -> None:
    s.record["average"] += by


def reference_off(s: Submission, by: float) -> None:
    score_of(s, "fpb")["references"]["majority"] += by


limit("a standard error", "score-statistics", off("stderr"), 0.9e-12, 1.2e-12)
limit("the low end of an interval", "score-statistics", interval_off(0), -0.9e-12, -1.2e-12)
limit("the high end of an interval", "score-statistics", interval_off(1), 0.9e-12, 1.2e-12)
limit("the average", "average", average_off, 0.9e-12, 1.2e-12)
limit("a macro F1", "recount", off("macro_f1"), 0.9e-9, 1.1e-9)
limit("a correlation", "recount", off("mcc"), 0.9e-9, 1.1e-9)
limit("an invalid rate", "recount", off("invalid_rate"), 0.9e-9, 1.1e-9)
limit("a reference", "references", reference_off, 0.9e-9, 1.1e-9)


def rows_of_fpb(s: Submission, rows: int) -> None:
    fresh = counted_score(CHALLENGE, "fpb", [("", "neutral", "neutral", " neutral")] * 10)
    from harness.scoring import statistics

    fresh |= {
        "correct": rows - 10, "examples": rows, "value": (rows - 10) / rows,
        "stderr": statistics.standard_error(rows - 10, rows),
        "interval": list(statistics.bootstrap_interval(rows - 10, rows)),
    }  # fmt: skip
    s.record["scores"] = [fresh if i["task"] == "fpb" else i for i in s.record["scores"]]


limit("rows over which an interval is computed", "score-statistics", rows_of_fpb, 100_000, 100_001,
      alone=False)  # fmt: skip


# Log-likelihoods of the labels, a second measure that a run may have.


def second_measure(s: Submission, numbers: Callable[[str], list[float]]) -> None:
    """Add the measure to every set; `numbers` are of a row's label."""
    for task, rows in s.generations.items():
        lines = [(row, target, label, numbers(label)) for row, target, label, _ in rows]
        text = generation_lines(lines, second=True)
        s.extra[f"generations/{task}.loglikelihood.jsonl"] = text.encode()
        first = score_of(s, task)
        s.record["scores"].append(
            first
            | {
                "metric": "loglikelihood_accuracy",
                "protocol": f"flowertune_{task}_loglikelihood/1.0",
                "invalid_rate": None,
                "generations_sha256": sha256_text(text),
            }
        )


def sure_of(label: str, likely: float = 0.98) -> list[float]:
    known = CHALLENGE.protocol.labels
    return [math.log(likely if name == label else 0.01) for name in known]


def sum_of_probabilities(s: Submission, total: float) -> None:
    second_measure(s, lambda label: sure_of(label, total - 0.02))


def numbers_a_row(s: Submission, count: int) -> None:
    second_measure(s, lambda label: [-1.0] * count)


def lowest_number(s: Submission, value: float) -> None:
    def numbers(label: str) -> list[float]:
        return [-0.1 if name == label else value for name in CHALLENGE.protocol.labels]

    second_measure(s, numbers)


def test_a_second_measure_that_agrees_is_clean(tmp_path: Path) -> None:
    s = Submission()
    second_measure(s, sure_of)
    assert broken_by(s.write(tmp_path / FOLDER)) == set()


# Tokens that begin with one another share probability in float32: a hundredth is allowed.
limit("a sum of probabilities", "labels", sum_of_probabilities, 1.0099, 1.0101)
limit("labels of a row", "readable", numbers_a_row, 10, 11, alone=False)
limit("a log-likelihood", "readable", lowest_number, -999_999.0, -1_000_001.0)


# Generations.


def output_length(s: Submission, characters: int) -> None:
    row = s.generations["fpb"][0]
    row[3] += "x" * (characters - len(row[3]))
    s.redigest()


limit("characters of an output", "readable", output_length, 20_000, 20_001, alone=False)


def clean_value_off(s: Submission, rows: float) -> None:
    leak = score_of(s, "fiqa")["leak"]
    leak["clean_value"] += rows / leak["clean_examples"]


@pytest.mark.parametrize(("rows", "expected"), [(0.9e-6, set()), (1.1e-6, {"leak"})])
def test_without_generations_a_clean_score_is_of_whole_rows(
    rows: float, expected: set[str], tmp_path: Path
) -> None:
    s = Submission()
    clean_value_off(s, rows)
    folder = s.write(tmp_path / FOLDER)
    assert broken_by(folder / "result.json") == expected


# The federation, the machine, the model.


def message_up(s: Submission, size: int) -> None:
    """Let every client of an unknown strategy return `size` bytes."""
    s.respec(lambda spec: spec["strategy"].update(name="pretend/alternating"))
    total = 0
    for item in s.record["federation"]["rounds"]:
        item["message_bytes_up"] = size
        item["bytes_up"] = size * len(item["clients"])
        for client in item["clients"]:
            client["bytes_up"] = size
        total += item["bytes_down"] + item["bytes_up"]
    s.record["communication"]["bytes_total"] = total
    s.rechain()


def attempts(s: Submission, count: int) -> None:
    s.record["federation"]["rounds"][0]["clients"][0]["attempts"] = count


def actors(s: Submission, count: int) -> None:
    s.record["environment"]["device"]["actors"] = count


def python(s: Submission, version: str) -> None:
    s.record["environment"]["python"] = version


# A name of one letter, a header of 128 bytes, one number of 4.
limit("bytes of a message", "round-bytes", message_up, 133, 132, alone=False)
limit("attempts of a client", "attempts", attempts, 1_000, 1_001)
limit("processes of a device", "device", actors, 1_024, 1_025)
limit("at least one process", "device", actors, 1, 0)
limit("the oldest Python", "versions", python, "3.11.0", "3.10.99")


def dimensions(s: Submission, count: int) -> None:
    s.record["adapter"]["tensors"][0]["shape"] = [1] * count


limit("dimensions of a tensor", "adapter-tensors", dimensions, 8, 9, alone=False)


def test_models_of_absurd_size_are_not_listed_tensor_by_tensor(tmp_path: Path) -> None:
    """A thousand layers and a width of a million are compared; one more is refused as it stands."""

    def found(name: str, value: int) -> str:
        s = Submission()
        s.respec(lambda spec: spec["model"].update({name: value}))
        report = verify([s.write(tmp_path / f"{name}{value}" / FOLDER)])
        [finding] = [item for item in report.findings if item.rule == "adapter-shapes"]
        return finding.expected

    for name, most in (("layers", 1_000), ("hidden", 1_000_000), ("intermediate", 1_000_000)):
        step = 4 if name == "hidden" else 1  # four heads
        assert "tensors of standard/dora" in found(name, most)
        assert found(name, most + step) == "at most 1000 of 1000000"


# Evidence and ladder.


def climbed(s: Submission, date: str, tolerance: float | None = None,
            difference: float | None = None) -> None:  # fmt: skip
    """Earn the rung of a replayed round at `date`."""
    import hashlib

    record = s.record
    command = "harness reproduce --round 2"
    found = record["federation"]["rounds"][1]["aggregate_sha256"]
    s.evidence["round-replayed"] = {
        "level": "round-replayed", "date": date, "command": command,
        "spec_digest": record["spec_digest"], "adapter_sha256": record["adapter"]["sha256"],
        "compared": {"round 2": found}, "packages": {"torch": "2.13.0"}, "device": "cpu",
        "tolerance": tolerance, "difference": difference,
    }  # fmt: skip
    digest = hashlib.sha256(s.files()["evidence/round-replayed.json"]).hexdigest()
    s.ladder = [{"level": "round-replayed", "date": date, "command": command, "digest": digest}]


def climbed_hence(s: Submission, minutes: int) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    climbed(s, f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def tolerated(s: Submission, pair: tuple[float, float]) -> None:
    climbed(s, "2026-04-02T12:00:00Z", *pair)


def rungs(s: Submission, count: int) -> None:
    climbed(s, "2026-04-02T12:00:00Z")
    s.ladder = s.ladder * count


MOST = CHALLENGE.replay_tolerance
# The run was composed on 2026-04-01 at 12:00; clocks may differ by a day.
limit("a rung before its run", "ladder", climbed, "2026-03-31T12:00:00Z", "2026-03-31T11:59:59Z")
limit("a rung in the future", "ladder", climbed_hence, 24 * 60 - 2, 24 * 60 + 2)
limit("the tolerance of a replay", "evidence", tolerated, (MOST, 0.0), (MOST * 1.001, 0.0))
limit("a difference within its tolerance", "evidence", tolerated,
      (MOST / 2, MOST / 2), (MOST / 2, MOST / 2 * 1.001))  # fmt: skip
limit("rungs of a ladder", "readable", rungs, 100, 101, alone=False)


# The plot.


def png(width: int, height: int) -> bytes:
    """Return a PNG of so many black pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    signature, pixels = b"\x89PNG\r\n\x1a\n", zlib.compress(bytes(height * (1 + width)))
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def plotted(s: Submission, size: tuple[int, int]) -> None:
    s.extra["loss.png"] = png(*size)


limit("the width of the plot", "plot", plotted, (4096, 1), (4097, 1))
limit("the height of the plot", "plot", plotted, (1, 4096), (1, 4097))
limit("a plot of no width", "plot", plotted, (1, 1), (0, 1))
limit("a plot of no height", "plot", plotted, (1, 1), (1, 0))


@pytest.mark.parametrize("name", list(LIMITS))
def test_a_limit_holds_from_both_sides(name: str, tmp_path: Path) -> None:
    item = LIMITS[name]
    found = []
    for side, change in (("inside", item.inside), ("outside", item.outside)):
        submission = Submission()
        change(submission)
        found.append(broken_by(submission.write(tmp_path / side / FOLDER)))
    inside, outside = found
    assert item.rule not in inside
    assert item.rule in outside
    if item.alone:
        assert (inside, outside) == (set(), {item.rule})


# Files.

MIB = 2**20
MOST_BYTES = {
    "result.json": 16 * MIB,
    "rows.json": MIB,
    "manifest.json": MIB // 4,
    "ladder.json": MIB // 4,
    "README.md": MIB // 4,
    "loss.png": MIB // 2,
    "adapter/adapter_config.json": MIB // 4,
    "generations/fpb.jsonl": 32 * MIB,
    "evidence/re-run.json": MIB,
}


def filled(path: Path, size: int) -> None:
    """Let a file be `size` zeros, of which none lies on the disk."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize("name", list(MOST_BYTES))
def test_a_file_may_be_as_large_as_its_limit(name: str, tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / FOLDER)
    filled(folder / name, MOST_BYTES[name])
    assert "file-size" not in broken_by(folder)
    filled(folder / name, MOST_BYTES[name] + 1)
    assert "file-size" in broken_by(folder)


def test_weights_above_2_gib_are_not_read(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / FOLDER)
    filled(folder / "adapter/adapter_model.safetensors", 2**31 + 1)
    assert "file-size" in broken_by(folder)


def test_a_record_alone_may_be_as_large_as_its_limit(tmp_path: Path) -> None:
    path = Submission().write(tmp_path) / "result.json"
    path.write_bytes(path.read_bytes().ljust(16 * MIB))
    assert broken_by(path) == set()
    path.write_bytes(path.read_bytes() + b" ")
    assert broken_by(path) == {"readable"}


def test_200_files_and_folders_are_listed_and_no_more(tmp_path: Path) -> None:
    """The findings are cut; the last one says whether the listing went to its end."""

    def unlisted(folder: Path) -> list[str]:
        return [item.found for item in verify([folder]).findings if "more than 200" in item.found]

    folder = Submission().write(tmp_path / FOLDER)
    present = len(list(folder.rglob("*")))
    for number in range(200 - present):
        (folder / f"file{number}").write_text("x")
    assert not unlisted(folder)
    (folder / "one-more").write_text("x")
    assert unlisted(folder) == ["more than 200 files; a submission has about ten"]


@pytest.mark.parametrize(
    ("folder", "name", "rule"),
    [
        ("generations", "{}.jsonl", "generations"),
        ("evidence", "{}.json", "ladder"),
    ],
)
def test_names_of_generations_and_evidence_have_40_characters_at_most(
    folder: str, name: str, rule: str, tmp_path: Path
) -> None:
    """A file of a usable name is read, and then belongs to nothing."""
    for length, expected in ((40, rule), (41, "known-files")):
        s = Submission()
        s.extra[f"{folder}/{name.format('a' * length)}"] = b"{}"
        found = broken_by(s.write(tmp_path / str(length) / FOLDER))
        assert expected in found
        assert ("known-files" in found) is (length == 41)


def test_the_name_of_a_submission_has_64_characters_at_most(tmp_path: Path) -> None:
    for length, expected in ((64, set()), (65, {"place"})):
        folder = tmp_path / str(length) / "submissions" / "finance" / ("a" * length)
        assert broken_by(Submission().write(folder)) == expected


def test_submissions_are_searched_four_folders_deep(tmp_path: Path) -> None:
    Submission().write(tmp_path / "1/2/3/4")
    assert len(verify([tmp_path]).checked) == 1
    Submission().write(tmp_path / "a/b/c/d/e")
    assert len(verify([tmp_path]).checked) == 1


# Links.


def test_a_record_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Neither alone, nor in a submission: what it leads to is none of the submission's."""
    folder = Submission().write(tmp_path / FOLDER)
    real = tmp_path / "elsewhere.json"
    (folder / "result.json").rename(real)
    (folder / "result.json").symlink_to(real)
    assert broken_by(folder / "result.json") == {"readable"}
    assert broken_by(folder) == {"plain-files"}
    assert broken_by(real) == set()


# What is shown.


def test_a_rule_lists_five_breaches_and_counts_the_others(tmp_path: Path) -> None:
    def found(count: int) -> list[str]:
        s = Submission()
        clients = [c for r in s.record["federation"]["rounds"] for c in r["clients"]]
        for client in clients[:count]:
            client["attempts"] = 1_001
        report = verify([s.write(tmp_path / str(count) / FOLDER)])
        return [item.found for item in report.findings]

    assert found(5) == ["1001"] * 5
    assert found(6) == ["1001"] * 5 + ["1 more of these"]
    assert found(8) == ["1001"] * 5 + ["3 more of these"]


def test_200_characters_of_a_value_are_shown(tmp_path: Path) -> None:
    def shown(length: int) -> str:
        s = Submission()
        s.record["environment"]["git"] = {"commit": "x" * length, "dirty": False}
        [finding] = verify([s.write(tmp_path / str(length) / FOLDER)]).findings
        return finding.found

    assert shown(200) == "x" * 200
    assert shown(201) == "x" * 200 + "…"


# peft's settings.

AT_REST = {
    "bias": ("none", "all"),
    "inference_mode": (True, "x"),
    "init_lora_weights": (True, "pissa"),
    "init_weights": (True, "loftq"),
    "init_ia3_weights": (True, "x"),
    "megatron_core": ("megatron.core", "other"),
    "qalora_group_size": (16, 15),
    "decompose_factor": (-1, -2),
    "rank_pattern": ({}, {"up_proj": 8}),
    "modules_to_save": (None, ["lm_head"]),
    "use_qalora": (False, True),
    "fan_in_fan_out": (False, 1),
}
"""A setting of `adapter_config.json` -> a value that changes nothing, and one that may."""


@pytest.mark.parametrize("name", AT_REST)
def test_a_setting_of_peft_at_rest_is_no_setting(name: str, tmp_path: Path) -> None:
    rest, other = AT_REST[name]
    for value, expected in ((rest, set()), (other, {"adapter-config"})):
        s = Submission()
        s.config[name] = value
        assert broken_by(s.write(tmp_path / str(expected) / FOLDER)) == expected


def test_generations_of_a_run_may_have_64_mib(tmp_path: Path) -> None:
    folder = Submission().write(tmp_path / "run")
    (folder / "spec.json").write_text("{}")
    filled(folder / "generations/fpb.jsonl", 64 * MIB + 1)
    assert "file-size" in broken_by(folder)
    filled(folder / "generations/fpb.jsonl", 64 * MIB)
    assert "file-size" not in broken_by(folder)
