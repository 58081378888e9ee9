"""Each way in which a record can break a rule, and the ways that look like it and are none.

The rules are asked directly, of one clean submission with a change, so that hundreds of cases take
no more time than a few files.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission as Files

from harness.codec.choice import Codec
from harness.document import canonical_json, sha256_text
from harness.planning.forecast import sent_bytes
from harness.record.result import ResultRecord
from harness.verify.all_rules import RECORD_RULES
from harness.verify.files.adapter_weights import AdapterWeights
from harness.verify.read_submission import read_submission
from harness.verify.submission import Submission
from harness.verify.targets import find_targets

BY_ID = {rule.id: rule for rule in RECORD_RULES}
Change = Callable[[dict[str, Any]], object]


@cache
def clean() -> Submission:
    """Return a submission that breaks no rule, read from its files."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Files().write(Path(temporary) / "submissions/finance/pretend")
        [target] = find_targets(folder)
        submission, _ = read_submission(target)
    assert submission is not None
    return submission


def of(*changes: Change, **fields: Any) -> Submission:
    """Return the clean submission with another record, and with other fields."""
    record = copy.deepcopy(dict(clean().raw))
    for change in changes:
        change(record)
    valid = ResultRecord.model_validate(record)
    return replace(clean(), record=valid, raw=record, **fields)


def breaches(rule: str, *changes: Change, **fields: Any) -> list[tuple[Any, ...]]:
    """Return (place, found, expected) of what a rule finds."""
    return list(BY_ID[rule].check(of(*changes, **fields)))


def rounds(r: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = r["federation"]["rounds"]
    return found


def put(path: str, value: Any) -> Change:
    """Return a change of one value, by its place: `federation.rounds.0.train_loss`."""

    def change(record: dict[str, Any]) -> None:
        *way, last = path.split(".")
        part: Any = record
        for name in way:
            part = part[int(name)] if isinstance(part, list) else part[name]
        if isinstance(part, list):
            part[int(last)] = value
        else:
            part[last] = value

    return change


def strategy(name: str) -> Change:
    return put("spec.strategy.name", name)


def peft(name: str, **params: Any) -> Change:
    def change(record: dict[str, Any]) -> None:
        record["spec"]["peft"]["name"] = name
        record["spec"]["peft"]["params"] |= params

    return change


def test_a_clean_submission_breaks_no_rule() -> None:
    for rule in RECORD_RULES:
        assert list(rule.check(clean())) == [], rule.id


# Digests.

SHORT = "0" * 63


@pytest.mark.parametrize(
    "place",
    [
        "spec_digest", "adapter.sha256", "challenge.digest", "spec.plugins.1.digest",
        "federation.roster_sha256", "federation.rounds.2.clients.4.update_sha256",
        "scores.1.generations_sha256", "data.3.sha256",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [SHORT, "0" * 65, "0" * 63 + "g", "A" * 64, ""])
def test_every_digest_is_64_small_hex_digits(place: str, value: str) -> None:
    import re

    written = re.sub(r"\.(\d+)", r"[\1]", place)
    expected = [(written, value, "64 lower-case hex digits")]
    assert breaches("digest-form", put(place, value)) == expected


def test_what_is_no_digest_may_be_anything() -> None:
    assert breaches("digest-form", put("environment.platform", "digest")) == []


def test_the_record_s_challenge_is_the_official_one_and_the_spec_s() -> None:
    digest = clean().record.challenge.digest
    found = f"revision 2, digest {digest[:12]}"
    expected = f"revision 1, digest {digest[:12]}"
    assert breaches("challenge-digest", put("challenge.revision", 2)) == [
        ("challenge", found, expected)
    ]
    other = "a" * 64
    assert breaches("spec-agrees", put("spec.challenge.digest", other)) == [
        ("spec.challenge", other, digest)
    ]


def test_plugins_are_those_of_the_spec_each_once_and_of_every_component() -> None:
    def twice(record: dict[str, Any]) -> None:
        record["spec"]["plugins"].append(record["spec"]["plugins"][0])
        record["plugins"] = record["spec"]["plugins"]

    assert breaches("spec-agrees", twice) == [
        ("spec.plugins", ["pretend", "standard", "pretend"], "each once")
    ]
    turned = clean().record.to_json()["plugins"][::-1]
    assert breaches("spec-agrees", put("spec.plugins", turned), put("plugins", turned)) == [
        ("spec.plugins", ["standard", "pretend"], "in the order of their names")
    ]
    known = "of one of spec.plugins: pretend, standard"
    for place in ("plugin", "peft.name", "strategy.name"):
        value = "other" if place == "plugin" else "other/x"
        assert breaches("spec-agrees", put(f"spec.{place}", value)) == [
            (f"spec.{place}", "other", known)
        ]


def test_a_digest_of_the_spec_as_it_stands_in_the_file_will_do() -> None:
    """An older spec lacks fields that were added since; so do older rounds."""
    submission = clean()
    raw = copy.deepcopy(dict(submission.raw))
    del raw["spec"]["smoke"]
    raw["spec_digest"] = sha256_text(canonical_json(raw["spec"]))
    record = ResultRecord.model_validate(raw)
    assert list(BY_ID["spec-digest"].check(replace(submission, record=record, raw=raw))) == []
    assert list(BY_ID["spec-digest"].check(replace(submission, record=record))) != []


@pytest.mark.parametrize("field", ["duration_s", "clients.0.attempts"])
def test_a_round_s_digest_leaves_out_what_differs_between_machines(field: str) -> None:
    value: Any = 99.5 if field == "duration_s" else 7
    assert breaches("chain-digest", put(f"federation.rounds.1.{field}", value)) == []


@pytest.mark.parametrize(
    "field", ["round", "bytes_up", "clients.0.bytes_up", "clients.4.examples", "previous_digest"]
)
def test_a_round_s_digest_is_of_everything_else(field: str) -> None:
    value: Any = "0" * 64 if field == "previous_digest" else 1
    found = breaches("chain-digest", put(f"federation.rounds.1.{field}", value))
    assert [place for place, _, _ in found] == ["federation.rounds[1].digest"]


def test_the_chain_begins_with_nothing_and_each_round_names_the_one_before() -> None:
    first, second, third = (item["digest"] for item in rounds(dict(clean().raw)))
    assert breaches("chain-link", put("federation.rounds.0.previous_digest", third)) == [
        ("federation.rounds[0].previous_digest", third, "0" * 64)
    ]
    assert breaches("chain-link", put("federation.rounds.2.previous_digest", first)) == [
        ("federation.rounds[2].previous_digest", first, second)
    ]


# The federation.


def test_rounds_are_whole_and_in_order() -> None:
    def swap(record: dict[str, Any]) -> None:
        rounds(record)[0]["round"], rounds(record)[1]["round"] = 2, 1

    assert breaches("rounds", swap) == [
        ("federation.rounds", "rounds [2, 1, 3]", "1..3, each once")
    ]
    assert breaches("rounds", put("spec.train.rounds", 4)) == [
        ("federation.rounds", "rounds [1, 2, 3]", "1..4, each once")
    ]


def test_sampling_follows_seed_round_and_number_of_clients() -> None:
    assert len(breaches("sampling", put("spec.seed", 2))) == 3
    [one] = breaches("sampling", put("federation.rounds.1.round", 9))
    assert one[0] == "federation.rounds[1].partitions"
    found = breaches("sampling", put("spec.train.fraction", 0.2))
    assert [len(expected) for _, _, expected in found] == [10, 10, 10]


def test_each_sampled_client_replied() -> None:
    def less(record: dict[str, Any]) -> None:
        rounds(record)[2]["clients"].pop()

    [(place, found, expected)] = breaches("clients", less)
    assert place == "federation.rounds[2].clients"
    assert found == expected[:-1]


def test_partitions_are_contiguous_and_the_first_ones_a_row_longer() -> None:
    """76,772 rows over 50 partitions: 22 of 1,536 and 28 of 1,535."""
    for partition, rows in ((0, 1536), (21, 1536), (22, 1535), (49, 1535)):

        def change(record: dict[str, Any], partition: int = partition, rows: int = rows) -> None:
            client = rounds(record)[0]["clients"][0]
            client["partition"], client["examples"] = partition, rows

        assert breaches("examples", change) == []
    [one] = breaches("examples", put("federation.rounds.2.clients.4.examples", 7))
    partition = rounds(dict(clean().raw))[2]["clients"][4]["partition"]
    assert one[:2] == (f"federation.rounds[2], partition {partition}: examples", 7)


def test_a_smoke_run_has_32_rows_a_partition() -> None:
    def change(record: dict[str, Any]) -> None:
        record["spec"]["smoke"] = True
        for item in rounds(record):
            for client in item["clients"]:
                client["examples"] = 32

    assert breaches("examples", change) == []
    assert len(breaches("examples", put("spec.smoke", True))) == 15


def test_a_loss_is_weighted_by_examples() -> None:
    def change(record: dict[str, Any]) -> None:
        item = rounds(record)[1]
        item["clients"] = item["clients"][:2]
        item["clients"][0] |= {"examples": 1, "train_loss": 4.0}
        item["clients"][1] |= {"examples": 3, "train_loss": 8.0}
        item["train_loss"] = 7.0

    assert breaches("train-loss", change) == []
    found = breaches("train-loss", change, put("federation.rounds.1.train_loss", 6.0))
    assert found == [("federation.rounds[1].train_loss", 6.0, 7.0)]


def test_a_loss_of_nothing_is_nothing() -> None:
    def change(record: dict[str, Any]) -> None:
        for client in rounds(record)[0]["clients"]:
            client["train_loss"] = 0.0
        rounds(record)[0]["train_loss"] = 1e-13

    assert breaches("train-loss", change) == []
    assert len(breaches("train-loss", change, put("federation.rounds.0.train_loss", 1e-11))) == 1


def test_rates_follow_their_round() -> None:
    assert len(breaches("learning-rate", put("spec.train.learning_rate_max", 1e-4))) == 2
    assert len(breaches("learning-rate", put("spec.train.learning_rate_min", 2e-6))) == 3
    [one] = breaches("learning-rate", put("federation.rounds.2.learning_rate", 1.0))
    assert one[:2] == ("federation.rounds[2].learning_rate", 1.0)


def digests_of(record: dict[str, Any], number: int) -> list[str]:
    return [client["update_sha256"] for client in rounds(record)[number]["clients"]]


PARTITIONS = [
    [client["partition"] for client in item["clients"]] for item in rounds(dict(clean().raw))
]


def test_no_update_is_another_one_again() -> None:
    record = dict(clean().raw)
    first = digests_of(record, 0)[0]
    place = f"round 1, partition {PARTITIONS[0][0]}"
    own = "tensors of its own"
    assert breaches(
        "updates-differ", put("federation.rounds.2.clients.1.update_sha256", first)
    ) == [(f"round 3, partition {PARTITIONS[2][1]}", f"the tensors of {place}", own)]
    adapter = put("federation.rounds.0.clients.2.update_sha256", record["adapter"]["sha256"])
    assert breaches("updates-differ", adapter) == [
        (f"round 1, partition {PARTITIONS[0][2]}", "the tensors of the adapter's file", own)
    ]
    aggregate = put("federation.rounds.2.aggregate_sha256", first)
    assert breaches("updates-differ", aggregate) == [
        ("round 3, aggregate", f"the tensors of {place}", own)
    ]
    later = put(
        "federation.rounds.2.clients.1.update_sha256", rounds(record)[0]["aggregate_sha256"]
    )
    assert breaches("updates-differ", later) == [
        (f"round 3, partition {PARTITIONS[2][1]}", "the tensors of round 1, aggregate", own)
    ]


def test_a_loss_is_never_negative() -> None:
    loss = put("federation.rounds.1.clients.3.train_loss", -0.5)
    assert breaches("updates-differ", loss) == [
        (f"round 2, partition {PARTITIONS[1][3]}", -0.5, ">= 0")
    ]
    assert breaches("updates-differ", put("federation.rounds.1.clients.3.train_loss", 0.0)) == []


def test_an_aggregate_of_several_clients_is_none_of_them_unless_the_strategy_selects() -> None:
    chosen = put("federation.rounds.1.aggregate_sha256", digests_of(dict(clean().raw), 1)[4])
    assert breaches("updates-differ", chosen) == [
        ("round 2, aggregate", "the tensors of one client", "what standard/fedavg makes of 5")
    ]
    assert breaches("updates-differ", chosen, strategy("standard/multikrum")) == []

    def alone(record: dict[str, Any]) -> None:
        rounds(record)[1]["clients"] = rounds(record)[1]["clients"][4:]

    assert breaches("updates-differ", chosen, alone) == []


def test_krum_s_aggregate_is_one_client_s() -> None:
    what = ("the tensors of no client", "one client's of this round: Krum selects")
    assert breaches("updates-differ", strategy("standard/krum")) == [
        (f"round {number}, aggregate", *what) for number in (1, 2, 3)
    ]
    part = put("federation.rounds.1.message_bytes_up", 200)
    assert len(breaches("updates-differ", strategy("standard/krum"), part)) == 2
    assert breaches("updates-differ", strategy("standard/multikrum")) == []


NUMBER, NULL = "a number: clients return A and B", "null"


def errors(*changes: Change) -> list[tuple[str, Any]]:
    """Return (found, expected) of the three rounds' aggregation errors."""
    return [found[1:] for found in breaches("aggregation-error", *changes)]


def without_errors(record: dict[str, Any]) -> None:
    for item in rounds(record):
        item["aggregation_error"] = None


def of_zero(record: dict[str, Any]) -> None:
    for item in rounds(record):
        item["aggregation_error"] = 0.0


def test_averaging_factors_has_an_error_and_averaging_nothing_has_none() -> None:
    none = put("federation.rounds.1.aggregation_error", None)
    assert breaches("aggregation-error", none) == [
        ("federation.rounds[1].aggregation_error", None, NUMBER)
    ]
    for value in (-0.1, -0.0, 1.1e9, 1e17):
        told = breaches("aggregation-error", put("federation.rounds.2.aggregation_error", value))
        assert told == [("federation.rounds[2].aggregation_error", value, "0 to 1.07374e+09")]
    assert errors(put("federation.rounds.2.aggregation_error", 1e9)) == []
    assert errors(of_zero) == []
    for name in ("lora", "rslora"):
        assert errors(peft(f"standard/{name}"), without_errors) == [(None, NUMBER)] * 3
    for name in ("ia3", "vera", "loha"):
        assert errors(peft(f"standard/{name}"), without_errors) == []
        assert len(errors(peft(f"standard/{name}"))) == 3
    assert errors(peft("other/mine"), without_errors) == errors(peft("other/mine")) == []
    assert errors(strategy("other/mine"), without_errors) == errors(strategy("other/mine")) == []


def test_fedsa_knows_all_factors_in_the_last_round_only() -> None:
    fedsa = strategy("standard/fedsa-lora")
    assert errors(fedsa, without_errors) == [(None, NUMBER)]
    assert [expected for _, expected in errors(fedsa)] == [NULL, NULL]


@pytest.mark.parametrize(
    "change",
    [strategy("standard/ffa-lora"), strategy("standard/rolora"), peft("standard/ffa-lora")],
)
def test_where_all_clients_hold_one_factor_the_error_is_zero(change: Change) -> None:
    assert errors(change, of_zero) == []
    zero = "0: all clients hold the same other factor"
    assert [expected for _, expected in errors(change)] == [zero] * 3


# Messages.


def test_each_message_is_as_large_as_the_adapter() -> None:
    traffic = clean().record.communication
    for place in ("message_bytes", "message_bytes_legacy"):
        size = getattr(traffic, place)
        assert breaches("message-bytes", put(f"communication.{place}", size - 1)) == [
            (f"communication.{place}", size - 1, size)
        ]


def test_a_round_s_bytes_are_its_messages() -> None:
    size = clean().record.communication.message_bytes
    assert breaches("round-bytes", put("federation.rounds.1.bytes_down", 1)) == [
        ("federation.rounds[1].bytes_down", 1, f"{5 * size}: {size} to each client")
    ]
    assert breaches("round-bytes", put("federation.rounds.1.bytes_up", 1)) == [
        ("federation.rounds[1].bytes_up", 1, f"{5 * size}: the clients' sum")
    ]
    up = put("federation.rounds.1.clients.2.bytes_up", size + 1)
    place = f"federation.rounds[1], partition {PARTITIONS[1][2]}: bytes_up"
    assert breaches("round-bytes", up) == [
        ("federation.rounds[1].bytes_up", 5 * size, f"{5 * size + 1}: the clients' sum"),
        (place, size + 1, size),
    ]


def test_sizes_of_partial_messages_follow_from_a_known_strategy() -> None:
    """FFA-LoRA's messages are the B factors: 2 layers of up_proj (64 x 4) and q_proj (32 x 4)."""
    from harness.planning.forecast import message_bytes

    tensors = {item.name: item.shape for item in clean().record.adapter.tensors}
    half = message_bytes({n: s for n, s in tensors.items() if n.endswith("lora_B.weight")})
    ffa = strategy("standard/ffa-lora")
    found = breaches("round-bytes", ffa)
    what = f"{half} ({half} bytes: what standard/ffa-lora moves)"
    assert found == [
        (f"federation.rounds[{n}].message_bytes_{way}", None, what)
        for n in range(3) for way in ("down", "up")
    ]  # fmt: skip

    def stated(record: dict[str, Any]) -> None:
        for item in rounds(record):
            item["message_bytes_down"] = item["message_bytes_up"] = half
            item["bytes_down"] = item["bytes_up"] = 5 * half
            for client in item["clients"]:
                client["bytes_up"] = half

    assert breaches("round-bytes", ffa, stated) == []
    assert breaches("stated-bytes", ffa, stated) == []
    whole = clean().record.communication.message_bytes
    size = put("federation.rounds.0.message_bytes_down", whole)
    assert breaches("round-bytes", size)[0] == (
        "federation.rounds[0].message_bytes_down", whole,
        f"None ({whole} bytes: what standard/fedavg moves)",
    )  # fmt: skip


def test_the_first_size_that_nobody_can_check_is_told() -> None:
    other = strategy("other/mine")
    down = put("federation.rounds.1.message_bytes_down", 500)
    up = put("federation.rounds.2.message_bytes_up", 400)
    known = "the whole adapter, or a strategy and method of which the checker knows the parts"
    place = "federation: messages of other/mine with standard/dora"
    assert breaches("stated-bytes", other) == []
    assert breaches("stated-bytes", other, down, up) == [
        (place, "500 down and None up in round 2", known)
    ]
    assert breaches("stated-bytes", other, up) == [
        (place, "None down and 400 up in round 3", known)
    ]
    assert breaches("stated-bytes", down, up) == []


def test_the_whole_adapter_in_the_run_s_codec_is_of_a_known_size_whatever_the_strategy() -> None:
    other = strategy("other/mine")
    for direction, ways in (("both", ("down", "up")), ("up", ("up",))):
        codec = Codec(name="int8", block=256, direction=direction)
        tensors = {item.name: item.shape for item in clean().record.adapter.tensors}
        sizes = {way: sent_bytes(tensors, codec, way) for way in ways}
        coded = put("spec.train.codec", codec.model_dump(mode="json", exclude_none=True))
        stated = [
            put(f"federation.rounds.{number}.message_bytes_{way}", size)
            for number in (1, 2)
            for way, size in sizes.items()
        ]
        assert breaches("stated-bytes", other, coded, *stated) == []
        less = put("federation.rounds.1.message_bytes_up", sizes["up"] - 1)
        found = breaches("stated-bytes", other, coded, *stated, less)
        assert f"and {sizes['up'] - 1} up in round 2" in found[0][1]


def test_the_smallest_message_is_asked_of_what_comes_up_only() -> None:
    other = strategy("other/mine")
    down = put("federation.rounds.1.message_bytes_down", 1)
    assert [item[0] for item in breaches("round-bytes", other, down)] == [
        "federation.rounds[1].bytes_down"
    ]


def test_totals_and_limits_are_sums_and_the_challenge_s() -> None:
    record = clean().record
    total = sum(item.bytes_down + item.bytes_up for item in record.federation.rounds)
    assert breaches("total-bytes", put("communication.bytes_total", total + 1)) == [
        ("communication.bytes_total", total + 1, total)
    ]
    limit = 200_000 * 2**20
    assert breaches("limit-bytes", put("communication.limit_bytes", limit - 1)) == [
        ("communication.limit_bytes", limit - 1, limit)
    ]
    assert breaches("budget", put("communication.bytes_total", limit)) == []
    assert breaches("budget", put("communication.bytes_total", limit + 1)) == [
        ("communication.bytes_total", limit + 1, f"at most {limit}")
    ]


def test_the_adapter_s_size_is_its_tensors() -> None:
    adapter = clean().record.adapter
    assert breaches("adapter-size", put("adapter.parameters", adapter.parameters + 1)) == [
        ("adapter.parameters", adapter.parameters + 1, adapter.parameters)
    ]
    size = adapter.file_bytes
    assert breaches("adapter-size", put("adapter.file_bytes", size - 8)) == [
        ("adapter.file_bytes", size - 8, f"{size} for these float32 tensors")
    ]


def test_tensors_are_named_once_and_in_order() -> None:
    def twice(record: dict[str, Any]) -> None:
        record["adapter"]["tensors"].insert(1, record["adapter"]["tensors"][0])

    wrong = [("adapter.tensors", "names twice or out of order", "sorted by name, each once")]
    assert breaches("adapter-tensors", twice) == wrong
    for shape in ([], [1], [1] * 8):
        assert breaches("adapter-tensors", put("adapter.tensors.0.shape", shape)) == []
    name = clean().record.adapter.tensors[3].name
    for shape in ([0], [4, -1], [1] * 9):
        assert breaches("adapter-tensors", put("adapter.tensors.3.shape", shape)) == [
            (f"adapter.tensors: {name}", tuple(shape), "1 to 8 positive sizes")
        ]


# The adapter.


def test_tensors_follow_from_model_and_parameters() -> None:
    def found(*changes: Change) -> list[tuple[Any, ...]]:
        return breaches("adapter-shapes", *changes)

    names = ["alpha", "dropout", "r", "target_modules"]
    for params in ({"r": "4"}, {"r": True}, {"r": 0}, {"target_modules": "q_proj"}):
        assert found(peft("standard/dora", **params)) == [
            ("spec.peft.params", names, "target_modules and r of standard/dora")
        ]
    one = f"one that differs: [('{PREFIX}.0.mlp.up_proj.lora_A.weight', "
    [(place, told, expected)] = found(peft("standard/dora", r=5))
    assert (place, expected) == ("adapter.tensors", "12 tensors of standard/dora on pretend-1m")
    assert told.startswith(f"12 tensors, {one}")
    assert found(peft("standard/lora"))[0][2] == "8 tensors of standard/lora on pretend-1m"
    assert found(peft("standard/dora", r=1))[0][0] == "adapter.tensors"
    [(place, told, expected)] = found(peft("standard/dora", target_modules=["gate_porj"]))
    assert (place, expected) == ("spec.peft.params.target_modules", "layers of the model")
    assert "gate_porj" in told


PREFIX = "base_model.model.model.layers"


def test_flora_s_adapter_is_the_stack_of_all_clients_factors() -> None:
    """3 rounds of 5 clients stack rank 4 to 60."""
    flora = strategy("standard/flora")
    [(_, told, _)] = breaches("adapter-shapes", flora)
    assert "(4, 32)" in told

    def grown(record: dict[str, Any]) -> None:
        for item in record["adapter"]["tensors"]:
            item["shape"] = [60 if size == 4 else size for size in item["shape"]]

    assert breaches("adapter-shapes", flora, grown) == []


def test_another_plugin_s_factors_have_the_rank_of_their_configuration() -> None:
    other = peft("other/mine")
    assert breaches("adapter-shapes", other) == []
    rank = {"r": 5}
    found = breaches("adapter-shapes", other, adapter_config=rank)
    assert len(found) == 4
    assert found[0] == (
        f"adapter.tensors: {PREFIX}.0.mlp.up_proj.lora_A.weight", (4, 32),
        "(5, in), by adapter_config.json",
    )  # fmt: skip
    for config in ({"r": "5"}, {"r": True}, {}, rank | {"rank_pattern": {"x": 1}}, None):
        assert breaches("adapter-shapes", other, adapter_config=config) == []


def test_a_known_model_is_asked_for_its_own_shape_but_not_in_a_smoke_run() -> None:
    known = put("spec.model.hub_id", "HuggingFaceTB/SmolLM2-1.7B-Instruct")
    assert len(breaches("model", known)) == 6
    assert breaches("model", known, put("spec.smoke", True)) == []


def weights(**changes: Any) -> Submission:
    """Return the clean submission with weights that are its own."""
    record = clean().record
    own = AdapterWeights(
        **{
            "shapes": {item.name: item.shape for item in record.adapter.tensors},
            "dtypes": frozenset({"F32"}),
            "tensors_sha256": record.federation.rounds[-1].aggregate_sha256,
            "fault": None,
        }
        | changes
    )
    name = "adapter/adapter_model.safetensors"
    digests = {**clean().digests, name: (record.adapter.file_bytes, record.adapter.sha256)}
    return replace(clean(), adapter_weights=own, digests=digests)


def test_weights_are_the_record_s_and_the_last_aggregate() -> None:
    check = BY_ID["adapter-weights"].check
    record = clean().record
    assert list(check(weights())) == []
    own = weights()
    for pair, told in (
        ((record.adapter.file_bytes, "a" * 64),
         ("", f"a file with sha256 {'a' * 64}", record.adapter.sha256)),
        ((7, record.adapter.sha256), ("", "a file of 7 bytes", record.adapter.file_bytes)),
    ):  # fmt: skip
        digests = {**own.digests, "adapter/adapter_model.safetensors": pair}
        assert list(check(replace(own, digests=digests))) == [told]
    last = record.federation.rounds[-1].aggregate_sha256
    for change, told in (
        ({"fault": "torn"}, ("", "torn", "a safetensors file")),
        ({"dtypes": frozenset({"F32", "F16"})}, ("", ["F16", "F32"], "float32 tensors")),
        ({"shapes": {"x": (1,)}}, ("", "1 tensor", "the 12 of adapter.tensors")),
        ({"tensors_sha256": None},
         ("", "tensors in another order", "the order of their names, as safetensors writes them")),
        ({"tensors_sha256": "b" * 64},
         ("", f"tensors with digest {'b' * 64}", f"the last round's aggregate {last}")),
    ):  # fmt: skip
        assert list(check(weights(**change))) == [told]


def config(**changes: Any) -> list[tuple[Any, ...]]:
    found = dict(clean().adapter_config or {}) | changes
    return breaches("adapter-config", adapter_config=found)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("base_model_name_or_path", "other/model", "pretend/pretend-1m"),
        ("task_type", "SEQ_CLS", "CAUSAL_LM"), ("peft_version", "0.20.0", "0.21.2"),
        ("peft_type", "VERA", "LORA"), ("r", 8, 4), ("r", True, 4), ("lora_alpha", 16, 8),
        ("lora_dropout", 0.1, 0.0), ("lora_dropout", False, 0.0), ("use_dora", False, True),
        ("use_dora", None, True), ("use_dora", 1, True), ("use_rslora", True, False),
        ("target_modules", ["q_proj"], ["q_proj", "up_proj"]),
        ("target_modules", "all-linear", ["q_proj", "up_proj"]),
    ],
)  # fmt: skip
def test_peft_s_settings_are_the_spec_s(name: str, value: Any, expected: Any) -> None:
    assert config(**{name: value}) == [(name, value, expected)]


def test_settings_at_rest_and_in_another_order_are_the_same() -> None:
    assert config(target_modules=["up_proj", "q_proj"], use_rslora=None) == []
    without = {k: v for k, v in (clean().adapter_config or {}).items() if k != "peft_version"}
    assert breaches("adapter-config", adapter_config=without) == []
    assert config(loftq_config={}, layers_pattern=None, exclude_modules=[]) == []
    assert config(loftq_config={"a": 1}) == [
        ("loftq_config", {"a": 1}, "null: the spec does not name it")
    ]
    assert config(bias="all") == [("bias", "all", "none: the spec does not name it")]
    assert config(feedforward_modules=["down_proj"]) == [
        ("feedforward_modules", ["down_proj"], "null: the spec does not name it")
    ]


def test_of_ia3_the_layers_that_are_fed_forward_are_the_spec_s() -> None:
    targets = {"target_modules": ["q_proj", "down_proj"], "feedforward_modules": ["down_proj"]}
    record = peft("standard/ia3", **targets)

    def told(**changes: Any) -> list[tuple[Any, ...]]:
        found = {"peft_type": "IA3", "base_model_name_or_path": "pretend/pretend-1m",
                 "task_type": "CAUSAL_LM"} | targets | changes  # fmt: skip
        return breaches("adapter-config", record, adapter_config=found)

    assert told() == told(feedforward_modules=["down_proj"]) == []
    for wrong in ([], ["q_proj", "down_proj"], None, "down_proj"):
        assert told(feedforward_modules=wrong) == [("feedforward_modules", wrong, ["down_proj"])]


def test_a_submission_has_a_configuration_and_a_run_may_lack_it() -> None:
    none = ("", "no adapter_config.json", "peft's configuration of the adapter, an object")
    assert breaches("adapter-config", adapter_config=None) == [none]
    assert breaches("adapter-config", adapter_config=None, is_submission=False) == []


def test_settings_of_another_plugin_s_method_may_be_more() -> None:
    other = peft("other/mine")
    found = dict(clean().adapter_config or {}) | {"loftq_config": {"a": 1}, "use_dora": False}
    assert breaches("adapter-config", other, adapter_config=found) == []
    wrong = breaches("adapter-config", other, adapter_config=found | {"r": 5})
    assert wrong == [("r", 5, 4)]


def test_flora_s_rank_and_alpha_grow_with_the_stack() -> None:
    flora = strategy("standard/flora")
    assert breaches("adapter-config", flora) == [("r", 4, 60), ("lora_alpha", 8, 120)]


@pytest.mark.parametrize(
    ("method", "kind"),
    [("lora", "LORA"), ("rslora", "LORA"), ("ffa-lora", "LORA"), ("vera", "VERA"), ("ia3", "IA3"),
     ("loha", "LOHA"), ("lokr", "LOKR"), ("pissa", "LORA"), ("olora", "LORA")],
)  # fmt: skip
def test_each_method_has_its_type_of_peft(method: str, kind: str) -> None:
    found = dict(clean().adapter_config or {}) | {"peft_type": "OTHER"}
    told = breaches("adapter-config", peft(f"standard/{method}"), adapter_config=found)
    assert ("peft_type", "OTHER", kind) in told


# What an aggregate depends on.


def measured(known: bool = True, **other: Any) -> Change:
    """Say of every round that it was measured."""

    def change(record: dict[str, Any]) -> None:
        for item in rounds(record):
            item["dependence"] = {
                "start": 0.0, "derived": 0.0 if known else None,
                "together": None if known else 1.0, "unmoved": None if known else 0.0,
            }  # fmt: skip
            item["dependence"] |= other
            for client in item["clients"]:
                client["trained_influence"] = 1.0
                client["influence"] = None if known else 0.2

    return change


def theirs(**other: Any) -> Change:
    def change(record: dict[str, Any]) -> None:
        strategy("pretend/own")(record)
        measured(known=False, **other)(record)

    return change


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (measured(start=0.1), 3),
        (measured(derived=None), 3),
        (measured(together=1.0), 3),
        (put("federation.rounds.0.clients.0.influence", 0.1), 1),
        (put("federation.rounds.0.clients.0.trained_influence", 1.0), 1),
        (theirs(derived=0.0), 3),
        (theirs(start=0.1), 0),
        (theirs(together=None, unmoved=None), 0),
    ],
    ids=lambda value: getattr(value, "__qualname__", "").split(".")[0] or str(value),
)
def test_what_was_measured_of_a_round_is_what_its_strategy_lets_be_measured(
    change: Change, found: int
) -> None:
    assert len(breaches("dependence", change)) == found
    follows = put("federation.rounds.1.clients.2.trained_influence", 0.5)
    assert len(breaches("dependence", measured(), follows)) == 1
    assert breaches("dependence", measured(), strategy("standard/scaffold"), follows) == []
    assert breaches("dependence", measured()) == []


def test_an_aggregate_that_comes_from_elsewhere_is_named() -> None:
    def one_client(record: dict[str, Any]) -> None:
        for item in rounds(record):
            for client in item["clients"][1:]:
                client["influence"] = 0.0

    def nothing(record: dict[str, Any]) -> None:
        for item in rounds(record):
            item["dependence"]["together"] = None
            for client in item["clients"]:
                client["influence"] = None

    def said(*changes: Change) -> list[str]:
        return [found for _, found, _ in breaches("other-sources", *changes)]

    assert said(theirs()) == said(measured(unmoved=1.0)) == said() == []
    assert said(theirs(unmoved=1.0)) == 3 * [
        "the aggregate goes 100 % of its way when no client moved"
    ]
    assert said(theirs(start=0.1)) == 3 * ["clients were sent arrays 0.1 off"]
    assert said(theirs(), nothing) == 3 * ["no influence of a reply could be measured"]
    assert said(theirs(), one_client) == ["one client alone moves the aggregate, in every round"]


def test_what_the_stages_of_a_run_wrote_is_what_its_record_repeats() -> None:
    def told(name: str, written: Any) -> list[tuple[Any, ...]]:
        return breaches("run-stages", stages={name: written})

    raw = copy.deepcopy(dict(clean().raw))
    history, spec = raw["federation"]["rounds"], raw["spec"]
    assert not breaches("run-stages", stages={"spec.json": spec, "rounds.jsonl": history})
    loss = history[1]["train_loss"]
    history[1]["train_loss"] = 0.5
    [(place, found, expected)] = told("rounds.jsonl", history)
    assert (place, found) == ("federation.rounds[1].train_loss", loss)
    assert expected == "0.5, as rounds.jsonl says"
    [(place, found, expected)] = told("rounds.jsonl", history[:1])
    assert (found, expected) == (f"{len(history)} rounds", "1, as rounds.jsonl says")
    assert [item[0] for item in told("spec.json", {**spec, "seed": 12})] == ["spec.seed"]
    assert not told("spec.json", {name: spec[name] for name in spec if name != "price"})
    assert told("spec.json", {"other": 1}) == [("spec.other", "nothing", "1, as spec.json says")]
    assert told("spec.json", [])
    assert told("rounds.jsonl", [[]] * len(history))
    assert told("isolation.json", {"policy": "off"})
