"""Files of a run that come back as lines of a log: whole, in order, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import FederationError
from harness.federation.superlink import sent_lines
from harness.federation.superlink.handover import ServerOutcome
from harness.federation.superlink.sent_lines import Part, Receiver, Sent, say, send_file

NAME = "adapter/adapter_model.safetensors"


@pytest.fixture
def sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The lines of a run with a file of 2.5 parts, among others' output."""
    monkeypatch.setattr(sent_lines, "PART_BYTES", 1000)
    source = tmp_path / "server"
    (source / "adapter").mkdir(parents=True)
    (source / NAME).write_bytes(bytes(range(250)) * 10)
    print("INFO :      a line of Flower's, not ended", end="")
    say(Sent(round='{"round": 1}'))
    send_file(source, NAME, lambda seconds: None)
    say(Sent(outcome=ServerOutcome(roster_sha256="a")))
    return capsys.readouterr().out.splitlines()


def test_what_was_sent_arrives(sent: list[str], tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "caller")
    (tmp_path / "caller").mkdir()
    for line in sent:
        receiver.take(line)
    assert (tmp_path / "caller" / NAME).read_bytes() == (tmp_path / "server" / NAME).read_bytes()
    assert (tmp_path / "caller" / "rounds.jsonl").read_text() == '{"round": 1}\n'
    assert receiver.outcome is not None
    assert receiver.outcome.roster_sha256 == "a"
    assert [path.name for path in (tmp_path / "caller" / "adapter").iterdir()] == [Path(NAME).name]


def test_a_part_that_is_missing_is_noticed(sent: list[str], tmp_path: Path) -> None:
    receiver = Receiver(tmp_path)
    parts = [line for line in sent if '"part":{' in line]
    receiver.take(parts[0])
    with pytest.raises(FederationError, match="out of order"):
        receiver.take(parts[2])


def test_an_altered_file_is_not_kept(sent: list[str], tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "caller")
    parts = [line for line in sent if '"part":{' in line]
    for line in parts[:2]:
        receiver.take(line)
    with pytest.raises(FederationError, match="arrived altered"):
        receiver.take(parts[2].replace('"data":"', '"data":"AAAA'))
    assert not (tmp_path / "caller" / NAME).exists()


@pytest.mark.parametrize(
    "name",
    [
        "../adapter/adapter_model.safetensors",
        "/etc/passwd",
        "spec.json",
        "adapter/x.py",
        NAME + "/",
    ],
)
def test_a_file_that_no_run_has_is_refused(name: str, tmp_path: Path) -> None:
    part = Part(name=name, number=0, of=1, sha256="0" * 64, data="")
    with pytest.raises(FederationError, match="which no run has"):
        Receiver(tmp_path).take(f"{sent_lines.MARK}{Sent(part=part).canonical_json()}")


def test_a_file_that_no_disk_holds_is_refused(tmp_path: Path) -> None:
    most = 16 * 2**30 // sent_lines.PART_BYTES
    part = Part(name=NAME, number=0, of=most + 1, sha256="0" * 64, data="")
    with pytest.raises(FederationError, match="which no run has"):
        Receiver(tmp_path).take(f"{sent_lines.MARK}{Sent(part=part).canonical_json()}")
    fits = Sent(part=part.with_values(of=most)).canonical_json()
    Receiver(tmp_path).take(f"{sent_lines.MARK}{fits}")
