"""What was ever published is read, gives the findings that it gave, and is shown; see README.md."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.boards.challenge import load_challenge
from harness.claims.record import ClaimRecord, migrate_claim
from harness.document import canonical_json, digest_of, sha256_text
from harness.errors import RecordError
from harness.leaderboard.build import build
from harness.leaderboard.data import LEADERBOARD_VERSION
from harness.record.card import card
from harness.record.result import RECORD_VERSION, ResultRecord, migrate
from harness.spec import SPEC_VERSION
from harness.submissions.check import verify

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SUBMISSIONS = HERE / "submissions" / "finance"
COMMITTED = ROOT / "submissions" / "finance" / "smollm2-135m-dora"

SMALL_FORM = {"generations": 3, "row-bits": 1, "manifest": 1}
"""What is said of a submission whose generations were left out here."""

FINDINGS: dict[Path, dict[str, int]] = {
    SUBMISSIONS / "first-form": SMALL_FORM
    # Rules that came later: the files' size in full, leaks, every version, pinned data.
    | {"adapter-size": 1, "leak": 3, "versions": 1, "data": 6},
    # An exercise over a part of the rows, which may not be filed any more.
    SUBMISSIONS / "smollm2-135m-dora-3-rounds": {"older-card": 1, "whole-run": 1},
    COMMITTED: {},
    SUBMISSIONS / "last-form-of-1": SMALL_FORM,
    SUBMISSIONS / "first-form-of-2": SMALL_FORM,
    SUBMISSIONS / "second-form-of-2": SMALL_FORM,
    SUBMISSIONS / "third-form-of-2": SMALL_FORM,
    SUBMISSIONS / "fourth-form-of-2": SMALL_FORM,
    HERE / "runs" / "smoke-seed-7": {},
    SUBMISSIONS / "ethicalabs-smollm2-1.7b": {"claim": 5},
}
"""Document -> rule -> how often it objects, warns or notes."""

RECORDS = [path for path in FINDINGS if (path / "result.json").is_file()]
PUBLISHED = "e98719dface24411dd90921a3aeef1dd191dd1f70671587b773bfb24bf6658bf"
"""sha256 of the committed submission's record."""
CLAIM = SUBMISSIONS / "ethicalabs-smollm2-1.7b" / "claim.json"

ENERGY = {"energy"}
ISOLATION = ENERGY | {"isolation"}
STARTUP = {"environment.startup_sha256"}
DEPENDENCE_AND_CODE = ISOLATION | {
    "federation.rounds.dependence", "federation.rounds.clients.influence",
    "federation.rounds.clients.trained_influence", "own_code",
}  # fmt: skip
VERSION_2 = {"environment.harness", "environment.foreign_modules"} | STARTUP | DEPENDENCE_AND_CODE

ADDED_LATER = {
    COMMITTED: VERSION_2,
    SUBMISSIONS / "first-form-of-2": STARTUP | DEPENDENCE_AND_CODE,
    SUBMISSIONS / "second-form-of-2": ISOLATION,
    SUBMISSIONS / "third-form-of-2": ENERGY,
    SUBMISSIONS / "last-form-of-1": VERSION_2,
    HERE / "runs" / "smoke-seed-7": VERSION_2,
    SUBMISSIONS / "first-form": VERSION_2
    | {
        "federation.rounds.message_bytes_down", "federation.rounds.message_bytes_up",
        "spec.train.data", "spec.train.prompt.style", "spec.train.prompt.system",
        "spec.train.prompt.user", "spec.train.step_schedule", "spec.train.warmup_steps",
    },
    SUBMISSIONS / "smollm2-135m-dora-3-rounds": VERSION_2
    | {
        "spec.train.data", "spec.train.prompt.style", "spec.train.prompt.system",
        "spec.train.prompt.user", "spec.train.step_schedule", "spec.train.warmup_steps",
    },
}  # fmt: skip
"""Record -> fields of today's form that it lacks."""


def named(path: Path) -> str:
    return path.name


def raw(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((path / "result.json").read_text())
    return value


def lacking(found: Any, whole: Any, place: str = "") -> Iterator[str]:
    """Yield the places of `whole` that `found` has not."""
    if isinstance(whole, dict) and isinstance(found, dict):
        for key, value in whole.items():
            below = f"{place}.{key}".lstrip(".")
            if key in found:
                yield from lacking(found[key], value, below)
            else:
                yield below
    elif isinstance(whole, list) and isinstance(found, list):
        for one, other in zip(found, whole, strict=True):
            yield from lacking(one, other, place)


@pytest.mark.parametrize("path", FINDINGS, ids=named)
def test_it_gives_the_findings_that_it_gave(path: Path, tmp_path: Path) -> None:
    """Each alone: two forms of one entry would be one entry filed twice."""
    place = shutil.copytree(path, tmp_path.joinpath(*path.parts[-3:]))
    assert Counter(item.rule for item in verify([place]).findings) == FINDINGS[path]


@pytest.mark.parametrize("path", RECORDS, ids=named)
def test_its_spec_and_its_rounds_keep_their_digests(path: Path) -> None:
    """Of the spec as it stands in the file, whatever fields a spec has gained since."""
    value = raw(path)
    assert value["spec_digest"] == sha256_text(canonical_json(value["spec"]))
    for item in value["federation"]["rounds"]:
        body = {k: v for k, v in item.items() if k not in ("duration_s", "digest")}
        body["clients"] = [{k: v for k, v in c.items() if k != "attempts"} for c in item["clients"]]
        assert item["digest"] == sha256_text(canonical_json(body))


@pytest.mark.parametrize("path", RECORDS, ids=named)
def test_it_has_a_card(path: Path) -> None:
    record = ResultRecord.model_validate(migrate(raw(path), "here"))
    text = card(record, load_challenge("finance"))
    assert record.spec.model.hub_id in text
    for score in record.scores:
        if score.metric == "accuracy":
            assert f"{100 * score.value:.2f}" in text


def test_the_board_shows_what_verifies_and_refuses_what_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "submissions"
    shutil.copytree(SUBMISSIONS, root / "finance")
    shutil.copytree(COMMITTED, root / "finance" / COMMITTED.name)
    files, refused = build(root)
    value = json.loads(files["finance/leaderboard.json"])
    shown = {item["name"]: item for item in value["entries"]}
    assert "smollm2-135m-dora" in shown
    assert "smollm2-135m-dora-3-rounds" not in shown
    assert [item["name"] for item in value["claims"]] == ["ethicalabs-smollm2-1.7b"]
    assert round(100 * shown["smollm2-135m-dora"]["average"], 2) == 76.04
    assert len(refused) == 7
    assert all(name in files["finance/entries.js"] for name in shown)


def test_an_older_record_lacks_what_came_later_and_nothing_else() -> None:
    """A field that is added to records needs a record of the new form here, and its default."""
    for path in RECORDS:
        value = raw(path)
        whole = ResultRecord.model_validate(value).to_json()
        assert set(lacking(value, whole)) == ADDED_LATER.get(path, set()), path.name


def test_a_claim_has_every_field_of_today_s() -> None:
    value = json.loads(CLAIM.read_text())
    claim = ClaimRecord.model_validate(migrate_claim(value, "here"))
    # Claims of before state no settings of the evaluation, and are read as if all were official;
    # places and units were not kept apart; no program was executed; their adapter has one rank; one
    # file alone was asked for scores.
    new = {"sets.unofficial_settings", "sets.elsewhere", "sets.recount.toolchain", "sources",
           "unofficial_commands"}  # fmt: skip
    settings = ("dropout", "strategy", "beyond_rank")
    new |= {f"{part}.{field}" for part in ("config", "stated") for field in settings}
    absent = set(lacking(value, claim.to_json()))
    assert {name for name in absent if not name.endswith(".written")} == new


def test_every_version_has_a_document_here() -> None:
    versions = {raw(path)["schema_version"] for path in RECORDS}
    assert versions == set(range(1, RECORD_VERSION + 1))
    assert {raw(path)["spec"]["schema_version"] for path in RECORDS} == {
        *range(1, SPEC_VERSION + 1)
    }


def test_the_committed_submission_is_the_one_that_was_published() -> None:
    data = (COMMITTED / "result.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == PUBLISHED
    assert digest_of(load_challenge("finance")) == raw(COMMITTED)["challenge"]["digest"]


@pytest.mark.parametrize("version", [0, RECORD_VERSION + 1])
def test_a_version_that_never_was_is_refused(version: int) -> None:
    with pytest.raises(RecordError, match="schema_version"):
        migrate(raw(COMMITTED) | {"schema_version": version}, "here")
    with pytest.raises(RecordError, match="schema_version"):
        migrate_claim(json.loads(CLAIM.read_text()) | {"schema_version": version}, "here")


def test_from_version_2_on_a_record_names_the_harness_that_ran() -> None:
    second = raw(SUBMISSIONS / "first-form-of-2")
    assert ResultRecord.model_validate(migrate(second, "here")).environment.harness is not None
    without = {**second["environment"]}
    del without["harness"]
    with pytest.raises(RecordError, match=r"environment\.harness is missing"):
        migrate(second | {"environment": without}, "here")
    with pytest.raises(RecordError, match=r"version 1 of a record has no environment\."):
        migrate(second | {"schema_version": 1}, "here")


def test_a_spec_of_a_later_version_is_refused(tmp_path: Path) -> None:
    for version in (0, SPEC_VERSION + 1):
        value = raw(HERE / "runs" / "smoke-seed-7")
        value["spec"]["schema_version"] = version
        (tmp_path / "result.json").write_text(json.dumps(value))
        [finding] = verify([tmp_path / "result.json"]).findings
        assert finding.rule == "schema"
        assert f"spec.schema_version {version}" in finding.found


def test_the_board_s_version_is_counted_up_with_its_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1 is told from today's by its number and by its fields."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    first = json.loads((HERE / "leaderboard" / "leaderboard-1.json").read_text())
    today = json.loads(build(ROOT / "submissions")[0]["finance/leaderboard.json"])
    assert first["schema_version"] == 1
    assert today["schema_version"] == LEADERBOARD_VERSION
    same = first.keys() == today.keys() and all(
        set(lacking(a, b)) == set(lacking(b, a)) == set()
        for a in first["entries"] for b in today["entries"]
        if a["name"] == b["name"] and a["kind"] == "run"
    )  # fmt: skip
    assert same is (LEADERBOARD_VERSION == 1)


def test_a_checkpoint_is_read_or_refused_in_one_line() -> None:
    pytest.importorskip("safetensors.numpy")
    from harness.federation.storage import checkpoint

    path = HERE / "checkpoints" / "round-000002.safetensors"
    if checkpoint.Meta.model_fields["version"].default == 1:
        found = checkpoint.load(path)
        assert found.meta.round == 2
        assert list(found.arrays) == ["layer.lora_A.weight", "layer.lora_B.weight"]
        assert found.arrays["layer.lora_A.weight"][1, 3] == 7 / 8
        assert found.state_tensors["momentum"].tolist() == [0, 0, 0]
    else:
        with pytest.raises(RecordError) as caught:
            checkpoint.load(path)
        assert "\n" not in str(caught.value)
