"""A plugin's digest is of all that can run in its name, and nothing else runs in its name."""

from __future__ import annotations

import os
import py_compile
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from environment import environment_with

from harness import plugins
from harness.document.file_digests import version_of_code
from harness.errors import PluginError
from harness.plugins import loading
from harness.plugins.discovery import discover, reference


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plugin of two modules, as pip installs it, on this process's path."""
    folder = tmp_path / "site-packages"
    info = folder / "two-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "two_front.py").write_text("import two_back\n")
    (folder / "two_back.py").write_text("value = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: two\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowertune_harness]\ntwo = two_front\n")
    names = ["two_front.py", "two_back.py", "../../bin/two", "two-1.0.dist-info/METADATA"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    (folder / "bystander.py").write_text("of another distribution\n")
    monkeypatch.syspath_prepend(folder)
    loading.load.cache_clear()
    return folder


def digest() -> str:
    return reference(discover()["two"]).digest


def test_every_module_of_the_distribution_is_in_the_digest(site: Path) -> None:
    before = digest()
    (site / "bystander.py").write_text("changed\n")
    assert digest() == before
    (site / "two_back.py").write_text("value = 2\n")
    assert digest() != before


def test_a_path_file_that_runs_code_at_every_start_is_in_the_digest(site: Path) -> None:
    record = site / "two-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "two.pth,,\n")
    before = digest()
    (site / "two.pth").write_text("import os\n")
    assert digest() != before


def test_a_distribution_without_a_list_of_its_files_is_refused(site: Path) -> None:
    (site / "two-1.0.dist-info" / "RECORD").unlink()
    with pytest.raises(PluginError, match="has no RECORD of its files; install it again"):
        digest()


def test_a_plugin_in_a_namespace_package_is_told_what_is_missing(site: Path) -> None:
    (site / "acme" / "front").mkdir(parents=True)
    (site / "acme" / "front" / "__init__.py").write_text("")
    points = site / "two-1.0.dist-info" / "entry_points.txt"
    points.write_text("[flowertune_harness]\ntwo = acme.front\n")
    with pytest.raises(PluginError, match=r"package 'acme' has no __init__.py, .* of its own"):
        digest()


def test_compiled_code_without_its_source_is_refused(site: Path) -> None:
    py_compile.compile(str(site / "two_back.py"), str(site / "two_more.pyc"))
    record = site / "two-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "two_more.pyc,,\n")
    with pytest.raises(PluginError, match="compiled code without its source"):
        digest()


def compiled(source: Path, code: str) -> Path:
    """Compile other code in a source's name: it has the source's time and size."""
    true, facts = source.read_text(), source.stat()
    source.write_text(code)
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    path = py_compile.compile(str(source), doraise=True)
    source.write_text(true)
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path is not None
    return Path(path)


def test_compiled_code_that_is_not_its_sources_is_refused(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest()
    compiled(site / "two_back.py", "value = 1\n")
    plugins.load("two")
    loading.load.cache_clear()
    compiled(site / "two_back.py", "value = 9\n")
    assert digest() == before
    with pytest.raises(PluginError, match="is not what its source compiles to; delete"):
        plugins.load("two")
    # What is of an older state of the source is not run, so it is not refused.
    os.utime(site / "two_back.py", (1, 1))
    plugins.load("two")


def test_the_second_module_is_in_an_editable_install_s_digest_too(
    tmp_path: Path, install_plugin: Callable[..., str]
) -> None:
    module = install_plugin("plain", "")
    folder = next(path.parent for path in tmp_path.rglob(f"{module}.py"))
    before = reference(discover()["plain"]).digest
    (folder / "second.py").write_text("x = 1\n")
    assert reference(discover()["plain"]).digest != before


def test_the_planted_code_would_have_run(site: Path, tmp_path: Path) -> None:
    """The reason for all this: Python takes the compiled file."""
    compiled(site / "two_back.py", "value = 9\n")
    python = environment_with(tmp_path / "environment", site)
    code = "import two_back; print(two_back.value)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "9\n"


def test_two_development_codes_never_carry_one_version(site: Path) -> None:
    info = site / "two-1.0.dist-info"
    assert reference(discover()["two"]).version == "1.0"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: two\nVersion: 1.1.dev0\n")
    before = reference(discover()["two"])
    assert before.version == f"1.1.dev0+{before.digest[:12]}"
    (site / "two_back.py").write_text("value = 2\n")
    assert reference(discover()["two"]).version != before.version
    assert version_of_code("1.1.dev0+mine", "e" * 64) == "1.1.dev0+mine"
