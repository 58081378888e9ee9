"""`harness run --smoke`: the whole path on the real model, Flower and lm-eval, as users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.document import read_document, sha256_file
from harness.record.result import ResultRecord

HARNESS = [sys.executable, "-c", "from harness.cli import main; main()"]
SMOKE = ["run", "--plugin", "smollm2-dora", "--smoke"]
MEMORY_LIMIT_BYTES = 4 * 2**30

pytestmark = pytest.mark.slow


def harness(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HARNESS, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


def tree(pid: int) -> Iterator[psutil.Process]:
    root = psutil.Process(pid)
    yield root
    yield from root.children(recursive=True)


def tree_bytes(pid: int) -> int:
    """Sum of private and shared pages of a process tree, shared pages counted once."""
    total = 0
    for process in tree(pid):
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """Run the README's main job once: its directory, what it printed, its peak memory."""
    folder = tmp_path_factory.mktemp("smoke")
    with open(folder / "stdout", "w") as out, open(folder / "stderr", "w") as err:
        process = subprocess.Popen(
            [*HARNESS, *SMOKE, "--out", "run"], cwd=folder, stdout=out, stderr=err
        )
        peak = 0
        while process.poll() is None:
            try:
                peak = max(peak, tree_bytes(process.pid))
            except psutil.NoSuchProcess:
                break
            time.sleep(1.0)
    text = (folder / "stdout").read_text()
    assert process.wait() == 0, (folder / "stderr").read_text()[-3000:]
    # Progress is all that a run says there; Flower speaks in its own log.
    assert "WARNING" not in (folder / "stderr").read_text()
    return folder / "run", text, peak


@pytest.fixture
def record(smoke: tuple[Path, str, int]) -> ResultRecord:
    return read_document(ResultRecord, smoke[0] / "result.json")


def test_fifty_supernodes_two_rounds_of_five(record: ResultRecord) -> None:
    assert record.federation.num_supernodes == 50
    assert [len(item.partitions) for item in record.federation.rounds] == [5, 5]
    assert all(len(set(item.partitions)) == 5 for item in record.federation.rounds)


def test_a_smoke_run_is_not_eligible_and_says_why(
    record: ResultRecord, smoke: tuple[Path, str, int]
) -> None:
    assert not record.eligible
    assert any("smoke" in reason for reason in record.ineligible_because)
    assert "a smoke run: it shows that everything works, and ranks nowhere" in smoke[1]


def test_the_bytes_on_the_record_are_those_of_the_forecast(record: ResultRecord) -> None:
    messages = 2 * 5 * 2
    assert record.communication.bytes_total == messages * record.communication.message_bytes


def test_the_rounds_are_chained_and_on_disk(
    record: ResultRecord, smoke: tuple[Path, str, int]
) -> None:
    lines = (smoke[0] / "rounds.jsonl").read_text().splitlines()
    assert [json.loads(line)["digest"] for line in lines] == [
        item.digest for item in record.federation.rounds
    ]
    previous = "0" * 64
    for item in record.federation.rounds:
        assert item.previous_digest == previous
        assert item.chain_digest() == item.digest
        previous = item.digest


def test_the_adapter_is_what_peft_reads(record: ResultRecord, smoke: tuple[Path, str, int]) -> None:
    from peft import PeftConfig

    folder = smoke[0] / "adapter"
    assert sha256_file(folder / "adapter_model.safetensors") == record.adapter.sha256
    config = PeftConfig.from_pretrained(str(folder))
    assert config.use_dora
    assert config.base_model_name_or_path == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_all_three_sets_are_scored_and_their_raw_text_is_kept(
    record: ResultRecord, smoke: tuple[Path, str, int]
) -> None:
    official = [item for item in record.scores if item.metric == "accuracy"]
    assert [item.task for item in official] == ["fpb", "fiqa", "tfns"]
    assert record.average == sum(item.value for item in official) / 3
    for item in official:
        file = smoke[0] / "generations" / f"{item.task}.jsonl"
        assert sha256_file(file) == item.generations_sha256
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert len(rows) == item.examples


def test_the_record_keeps_to_the_published_schema(smoke: tuple[Path, str, int]) -> None:
    import jsonschema

    root = Path(__file__).resolve().parents[2]
    schema = json.loads((root / "leaderboard" / "result.schema.json").read_text())
    jsonschema.validate(json.loads((smoke[0] / "result.json").read_text()), schema)


def test_card_and_plot_are_written_from_the_record(
    record: ResultRecord, smoke: tuple[Path, str, int]
) -> None:
    card = (smoke[0] / "README.md").read_text()
    assert f"{100 * record.average:.2f} %" in card
    assert "it shows that everything works, and ranks nowhere" in card
    assert (smoke[0] / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_smoke_run_fits_in_four_gibibytes(smoke: tuple[Path, str, int]) -> None:
    assert smoke[2] < MEMORY_LIMIT_BYTES


def test_an_existing_directory_is_refused_and_untouched(smoke: tuple[Path, str, int]) -> None:
    before = sha256_file(smoke[0] / "result.json")
    done = harness(*SMOKE, "--out", "run", cwd=smoke[0].parent)
    assert done.returncode == 2
    assert "--resume" in done.stderr
    assert sha256_file(smoke[0] / "result.json") == before


def test_a_finished_run_is_not_run_again_and_its_record_stays_as_it_is(
    record: ResultRecord, smoke: tuple[Path, str, int]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in smoke[0].rglob("*") if path.is_file()}
    done = harness("run", "--resume", "run", "--json", cwd=smoke[0].parent)
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    assert value["adapter"]["sha256"] == record.adapter.sha256
    assert value["average"] == record.average
    assert "run directory: run, finished already" in done.stderr
    assert before == {p: p.stat().st_mtime_ns for p in smoke[0].rglob("*") if p.is_file()}


def test_resuming_another_spec_is_refused(smoke: tuple[Path, str, int]) -> None:
    done = harness(*SMOKE, "--seed", "7", "--resume", "run", cwd=smoke[0].parent)
    assert done.returncode == 8
    assert "seed" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_child_and_can_be_resumed(
    tmp_path: Path, number: signal.Signals
) -> None:
    with open(tmp_path / "stderr", "w") as err:
        process = subprocess.Popen(
            [*HARNESS, *SMOKE, "--out", "run"],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=err, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 240
            while not (tmp_path / "run" / "checkpoints").is_dir():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            children = [item.pid for item in tree(process.pid)]
            os.kill(process.pid, number)
            assert process.wait(timeout=60) == 130
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs([psutil.Process(p) for p in children if psutil.pid_exists(p)], 10)
    assert alive == []
    assert "Traceback" not in (tmp_path / "stderr").read_text()
    assert (tmp_path / "run" / "spec.json").is_file()
