"""`about.json`: who, links, licence and command; what a stranger may write there, and what not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clean_submission import COMMAND, Submission, about_json
from click.testing import CliRunner
from test_submit import _exercises_are_filed, filing, smoke_run

from harness.cli.entries.submit import command
from harness.errors import RecordError, UsageError
from harness.planning.resolve import Request
from harness.record.about import About, typed
from harness.run_directory import keep_command
from harness.submissions.check import verify
from harness.submissions.submit import MAX_WEIGHTS_BYTES, refuse_weights
from harness.verify.files.layout import SUBMISSION_FILES

__all__ = ["_exercises_are_filed"]

PARSE = SUBMISSION_FILES[r"about\.json"].parse
HUB = {"repository": "someone/adapter", "revision": "main", "sha256": "0" * 64, "bytes": 1}


def parsed(**values: Any) -> About:
    assert PARSE is not None
    found = PARSE(about_json(**values), "about.json")
    assert isinstance(found, About)
    return found


@pytest.mark.parametrize(
    "values",
    [
        {"author": {"handle": "so\u0301me"}},
        {"author": {"handle": "some one"}},
        {"author": {"handle": "someone\n"}},
        {"author": {"handle": "x" * 40}},
        {"author": {"handle": "someone", "name": "x" * 121}},
        {"author": {"handle": "someone", "name": "two\nlines"}},
        {"author": {"handle": "someone", "affiliation": " padded"}},
        {"author": {"handle": "someone", "name": "a" + "\u0301" * 5}},
        {"author": {"handle": "someone", "name": "\u3164"}},
        {"withdrawn": {"date": "2026-05-01T12:00:00Z", "reason": "a\u2800b"}},
        {"licence": "do what you want"},
        {"licence": "apache-2.0"},
        {"code": "http://example.org/code"},
        {"code": "javascript:alert(1)"},
        {"code": "https://example.org/a b"},
        {"code": 'https://example.org/"onclick='},
        {"code": "https://someone:secret@example.org/"},
        {"code": "https://ex\u0430mple.org/"},
        {"paper": "https://example.org/" + "x" * 300},
        {"adapter": HUB | {"repository": "someone"}},
        {"adapter": HUB | {"repository": "someone/../x"}},
        {"adapter": HUB | {"sha256": "0"}},
        {"adapter": HUB | {"bytes": "1"}},
        {"adapter": HUB | {"bytes": 0}},
        {"command": ["x"] * 201},
        {"command": "harness run"},
        {"schema_version": 2},
        {"surprise": 1},
    ],
    ids=lambda values: json.dumps(values)[:60],
)  # fmt: skip
def test_what_is_no_statement_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match=r"about\.json"):
        parsed(**values)


@pytest.mark.parametrize(
    "name", ["Nguyễn Thị Ái Quyên", "ཀརྨ་བསྒྲུབས", "กิ่งแก้ว ซื่อสัตย์", "מֹשֶׁה", "कृष्ण ❤️", "김철수", "ကျွန်ုပ်"]
)
def test_a_name_of_any_script_is_one(name: str) -> None:
    found = parsed(author={"handle": "someone", "name": name}).author
    assert found is not None
    assert found.name == name


def test_what_is_one_is_read() -> None:
    author = {"handle": "x" * 39, "name": "Ümläut O'Name", "affiliation": "x" * 120}
    link = "https://example.org/" + "x" * 280
    found = parsed(
        author=author, licence="Apache-2.0 OR MIT", code=link, adapter=HUB, command=["x"] * 200
    )
    assert found.author is not None
    assert found.author.name == "Ümläut O'Name"
    assert found.code == link


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"date": "2999-01-01T00:00:00Z"}, "about"),
        ({"date": "yesterday"}, "about"),
        ({"adapter": HUB}, "about"),
        ({"command": ["rm", "-rf", "/"]}, "command"),
        ({"command": [*COMMAND, "--out", "/home/me/run"]}, "command"),
        ({"command": [*COMMAND, "--set", "peft.r=64"]}, "command"),
        ({"command": [*COMMAND, "--set", "no.such=1"]}, "command"),
        ({"command": [*COMMAND[:4], "--seed", "8", *COMMAND[6:]]}, "command"),
        ({"command": [*COMMAND[:3], "other/small", *COMMAND[4:]]}, "command"),
        ({"command": [*COMMAND, "--smoke"]}, "command"),
        ({"command": [*COMMAND, "--limit", "16"]}, "command"),
        ({"command": [*COMMAND, "--challenge", "medical"]}, "command"),
    ],
)
def test_a_statement_that_is_not_of_this_run_is_found(
    change: dict[str, Any], rule: str, tmp_path: Path
) -> None:
    submission = Submission()
    submission.extra["about.json"] = about_json(**change)
    report = verify([submission.write(tmp_path / "submissions/finance/one")])
    assert rule in {item.rule for item in report.findings}
    assert not report.clean


def with_command(run: Path, *more: str) -> tuple[str, ...]:
    """Keep a command in a run directory that fits its spec."""
    spec = json.loads((run / "spec.json").read_text())
    words = (
        "harness", "run", "--plugin", f"{spec['plugin']}/{spec['recipe']}", "--smoke",
        "--seed", str(spec["seed"]), "--device", spec["compute"]["device"],
        "--threads", str(spec["compute"]["threads"]), *more,
    )  # fmt: skip
    keep_command(run, words)
    return words


@filing
def test_submit_keeps_who_where_and_what_was_typed(tmp_path: Path) -> None:
    run = smoke_run(tmp_path / "run")
    words = with_command(run, "--set", "prompt.template=a\n'b' `{output}`")
    arguments = [
        str(run), "--submissions", str(tmp_path / "submissions"), "--name", "mine",
        "--author", "someone", "--affiliation", "Example Institute", "--licence", "Apache-2.0",
        "--adapter", "someone/adapter@v1", "--code", "https://example.org/code",
    ]  # fmt: skip
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "submissions/finance/mine"
    assert verify([folder]).findings == ()
    about = json.loads((folder / "about.json").read_text())
    record = json.loads((folder / "result.json").read_text())
    assert about["author"] == {"handle": "someone", "affiliation": "Example Institute"}
    assert tuple(about["command"]) == words
    assert about["adapter"] == {
        "repository": "someone/adapter", "revision": "v1",
        "sha256": record["adapter"]["sha256"], "bytes": record["adapter"]["file_bytes"],
    }  # fmt: skip
    text = (folder / "README.md").read_text()
    assert r"--set $'prompt.template=a\n\'b\' `{output}`'" in text


@filing
@pytest.mark.parametrize(
    "options",
    [["--author-name", "Me"], ["--author", "no one"], ["--licence", "mine"],
     ["--code", "http://x.org"], ["--adapter", "adapter"], ["--weights"]],
    ids=" ".join,
)  # fmt: skip
def test_a_statement_in_another_form_is_refused_before_anything_is_written(
    options: list[str], tmp_path: Path
) -> None:
    run = smoke_run(tmp_path / "run")
    done = CliRunner().invoke(
        command, [str(run), "--submissions", str(tmp_path / "submissions"), *options]
    )
    assert done.exit_code != 0
    assert not (tmp_path / "submissions").exists()


def test_weights_of_4_mib_may_lie_in_the_folder_and_larger_ones_on_the_hub(tmp_path: Path) -> None:
    weights = tmp_path / "adapter/adapter_model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"\0" * MAX_WEIGHTS_BYTES)
    refuse_weights(tmp_path)
    weights.write_bytes(b"\0" * (MAX_WEIGHTS_BYTES + 1))
    with pytest.raises(UsageError, match=r"at most 4 MiB.*--adapter"):
        refuse_weights(tmp_path)


def test_a_command_on_one_line_gives_the_same_arguments_in_bash(tmp_path: Path) -> None:
    import subprocess

    words = ("printf", r"%s\0", "a b", "l\nm", "q'q", "back\\slash\n", "$HOME", "ü", "\u2028")
    done = subprocess.run(["bash", "-c", typed(words)], capture_output=True, check=True, text=True)
    assert done.stdout.split("\0")[:-1] == list(words[2:])
    assert "\n" not in typed(words)


def test_the_command_of_a_request_repeats_it() -> None:
    from clean_submission import spec_value

    from harness.boards.challenge import load_challenge
    from harness.spec import RunSpec

    spec = RunSpec.model_validate(spec_value(load_challenge("finance"), 1, 3, 4))
    assert Request("pretend").command(spec) == COMMAND
    more = Request(
        "pretend", challenge="finance", overrides=("rounds=3", "peft.r=4"), smoke=True,
        evaluation_rows=5,
    )  # fmt: skip
    assert more.command(spec) == (
        *COMMAND[:4], "--challenge", "finance", "--set", "rounds=3", "--set", "peft.r=4",
        "--smoke", *COMMAND[4:], "--limit", "5",
    )  # fmt: skip
