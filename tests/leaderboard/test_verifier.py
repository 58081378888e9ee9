"""The page that checks a submission: what is dropped is checked as the command checks it."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from clean_submission import Submission
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import RecordError, UsageError
from harness.leaderboard.page.site import Site
from harness.leaderboard.verifier import in_browser
from harness.leaderboard.verifier.bundle import (
    PACKAGES,
    RUNTIME,
    harness_zip,
    verifier_files,
)
from harness.leaderboard.verifier.in_browser import judge, lay_out
from harness.submissions.check import verify

ROOT = Path(__file__).resolve().parents[2]
NAME = "submissions/finance/mine"
CORE = "pydantic_core-2.50.5-cp314-cp314-pyemscripten_2026_0_wasm32.whl"


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Submission().write(tmp_path_factory.mktemp("dropped") / NAME)


def files_of(entry: Path, above: str) -> dict[str, bytes]:
    return {
        f"{above}{path.relative_to(entry).as_posix()}": path.read_bytes()
        for path in entry.rglob("*")
        if path.is_file()
    }


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def said(dropped: dict[str, bytes]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(judge(dropped))
    return value


@pytest.mark.parametrize("above", ["mine/", "finance/mine/", f"{NAME}/", f"clone/{NAME}/"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_is_checked_where_it_belongs(
    entry: Path, above: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(entry, above) | {f"{above}more.txt": b"of no use"}
    (entry / "more.txt").write_bytes(b"of no use")
    monkeypatch.chdir(entry.parents[2])
    expected = verify([Path(NAME)])
    (entry / "more.txt").unlink()
    found = said({"mine.zip": zipped(files)} if packed else files)
    assert not found["clean"]
    assert found["lines"] == expected.lines()


def test_a_folder_s_files_without_the_folder_take_the_name_of_their_zip(entry: Path) -> None:
    found = said({"mine.zip": zipped(files_of(entry, ""))})
    assert (found["clean"], found["checked"]) == (True, [NAME])


def test_a_record_alone_is_checked_as_a_record(entry: Path) -> None:
    found = said({"result.json": (entry / "result.json").read_bytes()})
    assert (found["clean"], found["checked"]) == (True, ["result.json"])


@pytest.mark.parametrize("name", ["claim.json", "claim (1).json"])
def test_a_claim_alone_is_checked_as_a_claim(name: str) -> None:
    claim = ROOT / "submissions/finance/ethicalabs-smollm2-1.7b/claim.json"
    found = said({name: claim.read_bytes()})
    assert found["clean"]
    assert "submissions" not in found["lines"][0]


@pytest.mark.parametrize(
    "added",
    ["__MACOSX/mine/._result.json", "mine/.DS_Store", "mine/adapter/.DS_Store", "mine/._rows.json",
     "mine/Thumbs.db", "mine/desktop.ini"],
)  # fmt: skip
def test_what_a_desktop_adds_to_a_folder_is_left_out(entry: Path, added: str) -> None:
    files = files_of(entry, "mine/") | {added: b"x"}
    assert said({"mine.zip": zipped(files)})["clean"]
    assert said(files)["clean"]
    assert not said(files_of(entry, "mine/") | {"mine/DS_Store": b"x"})["clean"]


def test_a_zip_file_that_windows_made_is_read(entry: Path) -> None:
    """Its PowerShell parts paths with a backslash; zipfile of Windows itself would turn it."""
    files = {"more\\": b""} | {
        name.replace("/", "\\"): data for name, data in files_of(entry, "mine/").items()
    }
    found = said({"MINE.ZIP": zipped(files)})
    assert (found["clean"], found["checked"]) == (True, [NAME])


@pytest.mark.parametrize("above", ["desktop/mine/", "a/b/c/mine/"])
def test_a_folder_in_folders_of_no_board_is_checked_where_it_belongs(
    above: str, entry: Path
) -> None:
    found = said({"mine.zip": zipped(files_of(entry, above))})
    assert (found["clean"], found["checked"]) == (True, [NAME])


def test_a_link_in_a_zip_file_stays_one(entry: Path) -> None:
    files = files_of(entry, "mine/")
    buffer = io.BytesIO(zipped(files))
    with zipfile.ZipFile(buffer, "a") as archive:
        item = zipfile.ZipInfo("mine/evidence/link.json")
        item.external_attr = 0o120777 << 16
        archive.writestr(item, "/etc/passwd")
    found = said({"mine.zip": buffer.getvalue()})
    assert [item["rule"] for item in found["findings"]] == ["plain-files"]


@pytest.mark.parametrize(
    ("dropped", "expected"),
    [
        ({}, "no result.json or claim.json"),
        ({"mine/README.md": b""}, "no result.json or claim.json"),
        ({"../result.json": b"{}"}, "no path inside a folder"),
        ({"/result.json": b"{}"}, "no path inside a folder"),
        ({"x.zip": zipped({"../../x/result.json": b"{}"})}, "no path inside a folder"),
        ({"x.zip": b"PK"}, "not a readable zip file"),
        ({"a/b/c/result.json": b"{}", "other": b""}, "outside of a/b/c;"),
    ],
)
def test_what_cannot_be_checked_is_told_in_a_line(dropped: dict[str, bytes], expected: str) -> None:
    found = said(dropped)
    assert not found["clean"]
    assert len(found["lines"]) == 1
    assert expected in found["lines"][0]


@pytest.mark.parametrize("record", [b"", b"[]", b'{"challenge": {"id": ["x"]}}', b"\xff"])
def test_a_record_that_names_no_board_is_checked_all_the_same(record: bytes) -> None:
    found = said({"mine/result.json": record})
    assert found["checked"] == ["submissions/unknown/mine"]
    assert not found["clean"]


def test_2000_files_of_256_mib_are_unpacked_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"mine/{index}": b"" for index in range(in_browser.MAX_DROPPED - 1)}
    lay_out(files | {"mine/result.json": b""}, tmp_path)
    for dropped in (files, {"x.zip": zipped(files)}):
        more = {"mine/result.json": b"", "mine/one": b""}
        whole = files | more if len(dropped) > 1 else {"x.zip": zipped(files | more)}
        with pytest.raises(RecordError, match="2001 files"):
            lay_out(whole, tmp_path)
    monkeypatch.setattr(in_browser, "MAX_DROPPED_BYTES", 10)
    lay_out({"mine/result.json": b"0" * 10}, tmp_path / "ten")
    with pytest.raises(RecordError, match="11 bytes"):
        lay_out({"mine/result.json": b"0" * 11}, tmp_path / "eleven")
    bomb = zipped({"mine/result.json": b"0" * 11})
    with pytest.raises(RecordError, match="11 bytes"):
        lay_out({"x.zip": bomb}, tmp_path / "bomb")


def test_a_link_s_target_is_kept_up_to_4000_bytes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mine/result.json", b"")
        item = zipfile.ZipInfo("mine/link")
        item.external_attr = 0o120777 << 16
        archive.writestr(item, "a/" * 2_001)
    folder = lay_out({"x.zip": buffer.getvalue()}, tmp_path)
    assert len(str((tmp_path / folder / "link").readlink())) == in_browser.MAX_LINK_BYTES - 1


def given(folder: Path, core: str = CORE) -> Path:
    """Write a folder that looks like what the pages are built with."""
    folder.mkdir()
    lock = json.dumps({"info": {"python": "3.14.2", "abi_version": "2026_0", "arch": "wasm32"}})
    with tarfile.open(folder / "pyodide-1.tgz", "w:gz") as packed:
        for name in (*RUNTIME, "console.html"):
            data = lock.encode() if name == "pyodide-lock.json" else name.encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    for name in PACKAGES:
        file = core if name == "pydantic_core" else f"{name}-1.0-py3-none-any.whl"
        (folder / file).write_bytes(name.encode())
    return folder


def test_pages_offer_the_checker_where_it_is_given_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "submissions").mkdir()
    monkeypatch.chdir(tmp_path)
    folder, pages = str(given(tmp_path / "given")), tmp_path / "leaderboard"
    options = ["--verifier", folder, "--repository", "https://example.org/us/boards"]
    done = CliRunner().invoke(cli, ["leaderboard", *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert 'href="verify.html"' in (pages / "index.html").read_text()
    assert 'href="../verify.html"' in (pages / "finance/index.html").read_text()
    wheels = json.loads((pages / "verifier/packages.json").read_text())["wheels"]
    assert all((pages / "verifier" / name).is_file() for name in (*RUNTIME, *wheels))
    assert not (pages / "verifier" / "console.html").exists()
    for page in ("index.html", "finance/index.html"):
        assert "git clone https://example.org/us/boards harness" in (pages / page).read_text()
    assert CliRunner().invoke(cli, ["leaderboard"]).exit_code == 0
    assert "verify.html" not in (pages / "index.html").read_text()
    assert "git clone" not in (pages / "index.html").read_text()
    assert not (pages / "verify.html").exists()
    assert list((pages / "verifier").iterdir()) == []


def test_what_is_missing_or_of_another_python_is_named(tmp_path: Path) -> None:
    folder = given(tmp_path / "other", core=CORE.replace("cp314", "cp313"))
    with pytest.raises(UsageError, match=r"is not for this Pyodide; expected .*cp314"):
        verifier_files(folder)
    folder = given(tmp_path / "twice")
    (folder / "pydantic-2.0-py3-none-any.whl").touch()
    with pytest.raises(UsageError, match="2 wheels of pydantic;"):
        verifier_files(folder)
    (folder / "pyodide-1.tgz").unlink()
    with pytest.raises(UsageError, match=r"0 files pyodide-\*.tgz, and no pyodide.mjs"):
        verifier_files(folder)


@pytest.mark.parametrize("address", ["http://example.org", "https://x/<b>", "javascript:x", "x"])
def test_a_page_links_to_no_address_of_another_form(address: str) -> None:
    with pytest.raises(UsageError, match=r"is no repository's address; give https://"):
        Site(repository=address)


def test_the_harness_s_files_have_one_form() -> None:
    data = harness_zip()
    assert data == harness_zip()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    assert "harness/submissions/check.py" in names
    assert "harness/boards/finance/rules.toml" in names
    assert not any("__pycache__" in name for name in names)
