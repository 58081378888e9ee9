"""What clients keep at home goes with their messages where any node may train them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from served import serve
from tiny_run import TinyRun, tiny_run

from harness.document import sha256_text
from harness.errors import RecordError
from harness.federation import client
from harness.federation.clientapp.node_assets import clients_folder


@pytest.fixture
def there(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyRun:
    """A run whose clients keep something, and whose nodes find their own files."""
    shutil.copytree(tiny_model, tmp_path / "mirror" / "models" / "tests" / "tiny")
    monkeypatch.setenv("HARNESS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(client, "_worker", None)
    run = tiny_run(tiny_model, "fedsa", supernodes=4, rounds=4)
    return TinyRun(run.spec, run.challenge, run.assets.without_paths())


def test_it_lies_at_the_server_and_nowhere_else_and_digests_and_bytes_are_the_same(
    there: TinyRun, tiny_model: Path, tmp_path: Path
) -> None:
    here = serve(tiny_run(tiny_model, "fedsa", supernodes=4, rounds=4), tmp_path / "here").outcome
    found = serve(there, tmp_path / "there", ray_address="auto").outcome
    assert [item.digest for item in found.rounds] == [item.digest for item in here.rounds]
    assert [item.bytes_up for item in found.rounds] == [item.bytes_up for item in here.rounds]
    names = [sorted(path.name for path in (tmp_path / place / "clients").iterdir())
             for place in ("here", "there")]  # fmt: skip
    assert names[0]
    assert names[0] == names[1]
    assert not clients_folder(sha256_text(there.job.canonical_json())).exists()


def test_a_client_that_trained_before_and_whose_file_is_gone_ends_the_run(
    there: TinyRun, tmp_path: Path
) -> None:
    serve(there, tmp_path / "run", ray_address="auto", until=3)
    shutil.rmtree(tmp_path / "run" / "clients")
    with pytest.raises(RecordError, match="missing or damaged"):
        serve(there, tmp_path / "run", ray_address="auto")
