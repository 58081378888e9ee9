"""Every command has -v, --quiet and --json, and a help that ends with an example and a page."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from harness import progress
from harness.cli import cli, main
from harness.cli.alike import EXAMPLES, where_to_read

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = click.Context(cli, info_name="harness")
NAMES = cli.list_commands(CONTEXT)


def command(name: str) -> click.Command:
    found = cli.get_command(CONTEXT, name)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "silent", False)
    monkeypatch.setattr(progress, "verbose", False)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_has_what_all_have(name: str) -> None:
    options = {option for item in command(name).params for option in item.opts}
    assert {"-v", "--verbose", "--quiet", "--json"} <= options


@pytest.mark.parametrize("name", NAMES)
def test_a_help_ends_with_an_example_that_parses_and_a_page_that_is_there(name: str) -> None:
    text = CliRunner().invoke(cli, [name, "--help"]).output
    assert "Example: harness " in text
    example, page = EXAMPLES[name]
    assert where_to_read(page) in " ".join(text.split())
    assert (ROOT / "docs" / page).is_file()
    program, called, *words = shlex.split(example)
    assert (program, called) == ("harness", name)
    with click.Context(command(name)) as context:
        command(name).make_parser(context).parse_args(words)


def test_who_has_the_wheel_alone_is_led_to_the_pages_that_came_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[where_to_read.__module__]
    monkeypatch.setattr(module, "__file__", str(ROOT / "harness/cli/alike.py"))
    assert where_to_read("rules.md") == "docs/rules.md"
    monkeypatch.setattr(module, "__file__", str(tmp_path / "harness/cli/alike.py"))
    monkeypatch.setattr("sysconfig.get_path", lambda kind: str(tmp_path / kind))
    assert where_to_read("rules.md") == "docs/rules.md"
    page = tmp_path / "data/share/doc/flowertune-harness/rules.md"
    page.parent.mkdir(parents=True)
    page.write_text("# Rules")
    assert where_to_read("rules.md") == str(page)


@pytest.mark.parametrize(
    ("typed", "help_of"),
    [(["run", "--resume"], "harness run"), (["run", "--zzz"], "harness run"),
     (["--zzz"], "harness"), (["reproduce"], "harness reproduce")],
)  # fmt: skip
def test_what_is_typed_wrongly_ends_with_the_help_to_read(
    typed: list[str], help_of: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(typed)
    assert capsys.readouterr().err.rstrip().endswith(f"; see: {help_of} --help")


def test_every_command_has_an_example_and_no_other() -> None:
    assert sorted(EXAMPLES) == NAMES


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["plugins", "--quiet", "-v"])
    assert "exclude each other" in capsys.readouterr().err


def test_verbose_says_what_runs_where_and_stdout_stays_the_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["challenges", "--json", "-v"])
    out, err = capsys.readouterr()
    assert json.loads(out)
    assert "Python" in err
    assert "took" in err


def test_verbose_shows_what_is_behind_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for more, shown in (["-v"], True), ([], False):
        with pytest.raises(SystemExit, match="4"):
            main(["plan", "--plugin", "nobody", *more])
        assert ("Traceback" in capsys.readouterr().err) is shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[31m" in progress.paint("x", "red", Terminal())
    assert progress.paint("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert progress.paint("x", "red", Terminal()) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert progress.paint("x", "red", Terminal()) == "x"


@pytest.mark.parametrize("columns", [40, 10, 0])
def test_a_live_line_is_cut_to_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(
        "shutil.get_terminal_size", lambda *_: os.terminal_size((columns or 80, 24))
    )
    progress.Meter("federate", 100, "steps").advance(50, "round 2/3, partition 17")
    shown = terminal.getvalue().removeprefix("\r\x1b[2K")
    assert 0 < len(shown) < (columns or 80)
    assert shown.endswith("...") or columns == 0


def test_an_error_takes_the_place_of_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    progress.Meter("training", 100, "steps").advance(50)
    with pytest.raises(SystemExit, match="4"):
        main(["plan", "--plugin", "nobody"])
    live, *_, error = terminal.getvalue().split("\r\x1b[2K")[1:]
    assert live.startswith("training: 50/100")
    assert error.startswith("error: unknown plugin 'nobody'")


def test_nothing_is_said_where_a_command_is_to_be_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    progress.silent = True
    progress.say("something")
    progress.Meter("federate", 1, "steps").advance()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "words",
    [["verify", ""], ["import", ""], ["submit", ""], ["runs", ""], ["compare", "runs/a", ""],
     ["rescore", "fiqa", ""], ["leaderboard", "--submissions", ""], ["leaderboard", "--out="],
     ["pull-request", "--base", "a", "--head", "b", "--repository", ""]],
)  # fmt: skip
def test_an_empty_path_is_not_the_current_folder(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert list(tmp_path.iterdir()) == []
    assert "an empty path; name a file or folder" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_are_completed(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    found = kind(cli, {}, "harness", "_HARNESS_COMPLETE")
    assert "plugins" in [item.value for item in found.get_completions([], "pl")]
    assert "--smoke" in [item.value for item in found.get_completions(["run"], "--s")]


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_number_says_what_holds_without_it(name: str) -> None:
    """A number that is left out has a default; the others choose a part of what there is."""
    parts = {"--round", "--client", "--limit", "--gpus"}
    for option in command(name).params:
        if isinstance(option, click.Option) and isinstance(
            option.type, click.IntRange | click.FloatRange
        ):
            said = (
                option.required or option.show_default or "default" in (option.help or "").lower()
            )
            assert said or set(option.opts) & parts, option.opts


@pytest.mark.parametrize("name", NAMES)
def test_the_page_that_a_help_names_speaks_of_the_command(name: str) -> None:
    _, page = EXAMPLES[name]
    assert f"harness {name}" in (ROOT / "docs" / page).read_text("utf-8")


@pytest.mark.parametrize("words", [["submit"], ["evaluate", "nowhere"], ["run", "--seed", "-1"]])
def test_what_click_finds_wrong_ends_with_the_help_to_read(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(words)
    error = capsys.readouterr().err
    assert error.endswith(f"; see: harness {words[0]} --help\n")
    assert error.count("\n") == 1
