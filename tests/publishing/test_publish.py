"""Publishing: what lies on the hub afterwards, and one line with exit code 7 when it goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission
from click.testing import CliRunner, Result
from pretended_hub import Hub, pretended_hub

from harness.cli import cli
from harness.document import sha256_file
from harness.errors import SourceError, UsageError
from harness.publishing.publish import publication
from harness.submissions.published import Published

NAME = "someone/adapter"

# huggingface_hub 1.33 hands httpx a file in a way that httpx advises against.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run directory with an adapter, as far as publishing needs one."""
    made = Submission()
    made.add_weights()
    folder = made.write(tmp_path_factory.mktemp("finished") / "run")
    shutil.rmtree(folder / "generations")  # a submission's, which have no prompts
    for name in ("manifest.json", "rows.json"):
        (folder / name).unlink()
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with pretended_hub(monkeypatch) as found:
        yield found


def publish(run: Path, *options: str, name: str = NAME) -> Result:
    arguments = ["publish", str(run), "--repository", name, *options]
    return CliRunner().invoke(cli, arguments)


def problem(done: Result) -> str:
    """Return the one line of a failure that exits with 7."""
    assert isinstance(done.exception, SourceError), done.exception
    assert done.exception.exit_code == 7
    text = str(done.exception)
    assert len(text.splitlines()) == 1
    return text


def test_a_run_lies_on_the_hub_byte_for_byte_and_the_submission_says_where(
    run: Path, hub: Hub
) -> None:
    done = publish(run, "--json")
    assert done.exception is None, done.output
    value = json.loads(done.stdout)
    held = hub.repositories[NAME]
    assert value["files"] == sorted(set(held) - {".gitattributes"})
    assert held["result.json"] == (run / "result.json").read_bytes()
    cards = held["README.md"].decode().splitlines(), (run / "README.md").read_text().splitlines()
    # A repository has the adapter at its top, and no folder of it.
    assert [ours for ours, runs in zip(*cards, strict=True) if ours != runs] == [
        f'model = PeftModel.from_pretrained(base, "{NAME}")'
    ]
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert held[name] == (run / "adapter" / name).read_bytes()
    assert not hub.private[NAME]
    kept = Published.model_validate_json((run / "published.json").read_text())
    assert kept.address == f"{hub.address}/{NAME}/tree/{kept.revision}"
    assert kept.revision == value["uploaded"]["revision"] == hub.sha(NAME)
    assert kept.adapter_sha256 == sha256_file(run / "adapter/adapter_model.safetensors")


def test_the_same_run_again_is_no_conflict_and_uploads_no_weights_twice(
    run: Path, hub: Hub
) -> None:
    publish(run, "--private")
    assert hub.private[NAME]
    puts = [line for line in hub.asked if line.startswith("PUT")]
    done = publish(run)
    assert done.exception is None, done.output
    assert [line for line in hub.asked if line.startswith("PUT")] == puts
    assert hub.commits() == 2


def test_a_repository_that_a_stopped_upload_made_is_filled(run: Path, hub: Hub) -> None:
    hub.failing["/preupload"] = 400
    assert "the hub refused the upload" in problem(publish(run))
    assert set(hub.repositories[NAME]) == {".gitattributes"}
    assert not (run / "published.json").exists()
    hub.failing.clear()
    assert publish(run).exception is None
    assert "adapter_model.safetensors" in hub.repositories[NAME]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"adapter_model.safetensors": b"other"}, "exists and holds another adapter"),
        ({"README.md": b"mine", "x.txt": b"1"}, "exists and holds 2 other files"),
        ({".gitattributes": b"", "x.txt": b"1"}, "exists and holds 1 other file;"),
    ],
)
def test_what_somebody_put_there_stays_unless_it_is_asked_for(
    held: dict[str, bytes], said: str, run: Path, hub: Hub
) -> None:
    hub.repositories[NAME] = dict(held)
    text = problem(publish(run))
    assert said in text
    assert "--update" in text
    assert hub.repositories[NAME] == held
    assert publish(run, "--update").exception is None
    assert set(held) < set(hub.repositories[NAME])


def test_a_wrong_token_and_another_ones_name_are_one_line(
    run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "may not write to stranger" in problem(publish(run, name="stranger/adapter"))
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "token is missing or wrong: run `hf auth login`" in problem(publish(run))
    assert not hub.repositories


@pytest.mark.parametrize("place", ["/api/repos/create", "/commit/"])
def test_a_connection_that_breaks_is_one_line(place: str, run: Path, hub: Hub) -> None:
    hub.drops.add(place)
    assert "the hub cannot be reached" in problem(publish(run))
    hub.drops.clear()
    assert publish(run).exception is None


def test_large_files_that_are_refused_are_one_line(run: Path, hub: Hub) -> None:
    hub.failing["/lfs/objects/batch"] = 403
    assert "refused the upload" in problem(publish(run))
    hub.failing = {"/objects/": 400}
    assert "refused the upload" in problem(publish(run))
    assert hub.commits() == 0


def test_the_hubs_own_types_read_the_scores(run: Path) -> None:
    yaml = pytest.importorskip("yaml")
    from huggingface_hub import parse_eval_result_entries

    files = publication(run, NAME).files
    record = json.loads((run / "result.json").read_text())
    scores = {s["task"]: s for s in record["scores"] if s["metric"] == "accuracy"}
    names = {name for name in files if name.startswith(".eval_results/")}
    assert names == {f".eval_results/{task}.yaml" for task in scores}
    for task, score in scores.items():
        text = files[f".eval_results/{task}.yaml"]
        assert isinstance(text, bytes)
        [entry] = parse_eval_result_entries(yaml.safe_load(text))
        assert entry.value == score["value"]
        assert entry.task_id == task
        assert f"{score['correct']} of {score['examples']} rows" in str(entry.notes)


def every_eval_ever(run: Path) -> tuple[str, dict[str, Any]]:
    files = publication(run, NAME).files
    [path] = [name for name in files if name.startswith("every_eval_ever/data/")]
    text = files[path]
    assert isinstance(text, bytes)
    return path, json.loads(text)


def test_the_shared_record_has_every_score_and_lies_where_its_validator_looks(run: Path) -> None:
    path, value = every_eval_ever(run)
    record = json.loads((run / "result.json").read_text())
    assert [item["score_details"]["score"] for item in value["evaluation_results"]] == [
        score["value"] for score in record["scores"]
    ]
    assert path.split("/")[2:5] == ["flowertune-finance", *NAME.split("/")]
    assert value["model_info"]["id"] == NAME
    assert (
        value["model_info"]["additional_details"]["adapter_sha256"] == record["adapter"]["sha256"]
    )
    assert every_eval_ever(run) == (path, value)  # nothing of the moment is in it


def test_its_own_validator_takes_the_shared_record(run: Path, tmp_path: Path) -> None:
    """Of the package `every-eval-ever`, where it is installed: it needs Python 3.12."""
    pytest.importorskip("every_eval_ever")
    path, value = every_eval_ever(run)
    place = tmp_path / path.removeprefix("every_eval_ever/")
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(value))
    command = [sys.executable, "-m", "every_eval_ever", "validate", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout


def test_a_dry_run_writes_into_a_folder_and_asks_nobody(run: Path, hub: Hub) -> None:
    folder = run.parent / "out"
    done = publish(run, "--dry-run", "--folder", str(folder))
    assert done.exception is None
    assert "would upload" in done.output
    assert not hub.asked
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == set(publication(run, NAME).files)
    again = publish(run, "--dry-run", "--folder", str(folder))
    assert isinstance(again.exception, UsageError)


@pytest.mark.parametrize(
    "name", ["adapter", "a/b/c", "some one/adapter", "a/..", "-a/b", "a/b.git"]
)
def test_a_name_that_no_repository_has_is_refused_before_anything(name: str, run: Path) -> None:
    with pytest.raises(UsageError, match="expected owner/name"):
        publication(run, name)


SCRIPT = """
import sys
from harness.errors import SourceError
from harness.publishing.hub import upload
try:
    upload("someone/adapter", {"result.json": b"{}"}, adapter_sha256="0" * 64)
except SourceError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    "surroundings",
    [{"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}, {"HF_HUB_OFFLINE": "1"}],
    ids=["nobody listens", "offline"],
)
def test_a_hub_that_cannot_be_reached_is_one_line(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True, text=True, check=False,
        env=os.environ | {"HF_TOKEN": "hf_none", "HF_HOME": str(tmp_path)} | surroundings,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "someone/adapter: the hub cannot be reached" in done.stdout
    assert "Traceback" not in done.stderr


def test_what_a_run_lacks_is_named_with_what_to_do(run: Path, tmp_path: Path) -> None:
    (run / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"run: no adapter/adapter_model\.safetensors; expected"):
        publication(run, NAME)
    (run / "result.json").unlink()
    with pytest.raises(UsageError, match=r"no spec\.json there; expected a run directory"):
        publication(run, NAME)
    (run / "spec.json").write_text("{}")
    with pytest.raises(UsageError, match=r"no result\.json; finish the run first: harness run"):
        publication(run, NAME)
