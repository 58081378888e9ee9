"""The command line: names, exit codes, one line per error, nothing heavy without need."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from environment import environment_with

from harness.cli import GONE, cli, main
from harness.errors import PluginError

HEAVY_MODULES = ("torch", "transformers", "flwr", "lm_eval", "peft", "datasets", "ray", "numpy")


def python(code: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def harness(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return python("from harness.cli import main; main()", *arguments, cwd=cwd)


def test_plan_prints_the_published_figures_as_json() -> None:
    done = harness("plan", "--plugin", "smollm2-dora", "--json")
    assert done.returncode == 0
    value = json.loads(done.stdout)
    assert value["communication"]["total_mib_legacy"] == 11005.66
    assert value["communication"]["limit_mib"] == 200000
    assert value["adapter"]["parameters"] == 24_035_328
    assert value["num_supernodes"] == 50
    assert value["violations"] == []


def test_the_bare_command_shows_its_help_and_finds_nothing_wrong() -> None:
    bare, asked = harness(), harness("--help")
    assert (bare.returncode, bare.stderr) == (0, "")
    assert bare.stdout == asked.stdout


def test_plan_lists_every_violation_and_exits_with_5() -> None:
    done = harness(
        "plan", "--plugin", "smollm2-dora", "--set", "num_supernodes=20",
        "--set", "dataset.name=x", "--json",
    )  # fmt: skip
    assert done.returncode == 5
    assert len(json.loads(done.stdout)["violations"]) == 2
    assert done.stderr == "error: 2 rule violations, listed above\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["plan", "--plugin", "smolm2-dora"], 4, ["did you mean", "smollm2-dora"]),
        (["plan", "--plugin", "smollm2-dora/9b"], 4, ["9b", "1.7b"]),
        (["plan", "--plugin", "smollm2-dora", "--set", "ronuds=1"], 2, ["did you mean", "rounds"]),
        (["plan", "--plugin", "smollm2-dora", "--set", "rounds=x"], 2, ["rounds"]),
        (["plan"], 2, ["--plugin"]),
        (["plan", "--plugn", "x"], 2, ["--plugn", "--plugin"]),
        (["plam"], 2, ["did you mean", "plan"]),
        (["plan", "--plugin", "smollm2-dora", "--device", "tpu"], 2, ["tpu", "cuda"]),
        (["challenges", "finanse"], 2, ["did you mean", "finance"]),
        (["plugins", "standrd"], 4, ["did you mean", "standard"]),
        (["plan", "--plugin", "standard"], 4, ["no recipe"]),
        (["verify", "x" * 300], 2, ["too long"]),
        (["run", "--plugin", "smollm2-dora", "--client-timeout", "nan"], 2, ["finite"]),
    ],
)
def test_an_error_is_one_line_with_its_code(
    arguments: list[str], code: int, words: list[str]
) -> None:
    done = harness(*arguments)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_run_directory_is_no_recipe_and_what_it_is_for_is_said(tmp_path: Path) -> None:
    (tmp_path / "my run").mkdir()
    (tmp_path / "my run" / "spec.json").write_text("{}")
    # Without the extra, `run` says first that it is not there.
    for command in ("plan", "run") if find_spec("torch") else ("plan",):
        done = harness(command, "my run", cwd=tmp_path)
        assert done.returncode == 2
        assert "harness run --resume 'my run'" in done.stderr


def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from harness.cli import main; main(['plugins'])"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: output: No space left on device; check the path\n"


def test_a_plugin_s_parts_are_listed_by_kind() -> None:
    lines = [line.split() for line in harness("plugins", "standard").stdout.splitlines()]
    assert ["PEFT", "method", "standard/lora"] in lines
    assert ["strategy", "standard/fedavg"] in lines


def test_a_broken_plugin_is_listed_and_the_others_still_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "bad-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowertune_harness]\nbad = nowhere_at_all\n")
    python = environment_with(tmp_path / "environment", tmp_path)
    monkeypatch.setattr(sys, "executable", str(python))
    assert "bad" in harness("plugins").stdout
    assert harness("plan", "--plugin", "smollm2-dora").returncode == 0
    broken = harness("plugins", "bad")
    assert broken.returncode == 4
    assert "nowhere_at_all" in broken.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["plugins", "--json"],
        ["plugins", "smollm2-dora"],
        ["challenges", "finance", "--json"],
        ["plan", "--plugin", "smollm2-dora", "--json"],
    ],
)
def test_light_commands_import_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\nfrom harness.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as stop:\n    assert not stop.code\n"
        f"print(*[name for name in {HEAVY_MODULES} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == ""


def test_every_listed_command_has_help() -> None:
    from harness.cli import cli

    for name in cli.list_commands(None):  # type: ignore[arg-type]
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert command.help, name


def test_running_without_the_extra_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "from harness.machine import versions\n"
        "versions.find_spec = lambda name: None if name in ('torch', 'flwr') else name\n"
        "from harness.cli import main\nmain(['run', '--plugin', 'smollm2-dora', '--smoke'])"
    )
    done = python(code, cwd=tmp_path)
    assert done.returncode == 3
    assert "flwr, torch" in done.stderr
    assert "flowertune-harness[run]" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--plugin", "smollm2-dora", "--set", "num_supernodes=20"], 5, "num_supernodes"),
        (["--plugin", "smollm2-dora"], 2, "--device cpu"),
        (["--plugin", "smollm2-dora/135m", "--set", "batch_size=90000000"], 2, "GiB are there"),
        (["--resume", "nowhere"], 8, "nowhere"),
        (
            ["--resume", "x", "--set", "rounds=3", "--seed", "1"],
            2,
            "--set, --seed would be ignored",
        ),
        ([], 2, "--plugin"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_anything_heavy(
    arguments: list[str], code: int, word: str, tmp_path: Path
) -> None:
    if code in (2, 5) and arguments[:1] == ["--plugin"]:
        pytest.importorskip("psutil", reason="a process that loads plugins is watched with psutil")
    script = (
        "import sys\nfrom harness.machine import versions\n"
        "versions.find_spec = lambda name: name\n"
        "from harness.cli import main\n"
        "try:\n    main(['run', *sys.argv[1:]])\n"
        "finally:\n    assert 'torch' not in sys.modules and 'flwr' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env=os.environ | {"PATH": ""},  # no nvidia-smi
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert word in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_200_characters_of_a_path_are_shown(tmp_path: Path) -> None:
    """A path that the file system refuses ends in one line of bounded length."""
    long = str(tmp_path / ("a" * 300))
    done = harness("verify", long)
    assert done.returncode == 2
    assert done.stderr == f"error: {long[:200]}: File name too long; check the path\n"


@pytest.mark.parametrize("command", [["doctor"], ["plan", "--plugin", "smollm2-dora"]])
def test_a_deleted_folder_under_the_user_is_one_line(command: list[str], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    run = f"from harness.cli import main; import os; os.rmdir({str(gone)!r}); main({command})"
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, cwd=gone, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr == f"error: {GONE}\n"


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")])
def test_memory_that_ran_out_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def out_of_memory(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", out_of_memory)
    with pytest.raises(SystemExit) as ended:
        main(["plugins"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: memory ran out; ")


@pytest.mark.parametrize(
    ("redirect", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&- <&-", 0), ("> /dev/full", 2)]
)
def test_a_closed_or_full_stream_is_no_traceback(redirect: str, code: int, tmp_path: Path) -> None:
    run = "from harness.cli import main; main(['plan', '--plugin', 'smollm2-dora'])"
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "{run}" {redirect}'],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert ("No space left" in done.stderr) == (code != 0)


def test_where_nobody_can_read_what_is_wrong_the_exit_code_still_says_it(tmp_path: Path) -> None:
    run = "from harness.cli import main; main(['plan', '--plugin', 'nowhere'])"
    for unbuffered in ("", "1"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-c", run], stderr=full, cwd=tmp_path, check=False,
                env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            )  # fmt: skip
        assert done.returncode == PluginError.exit_code


def test_a_pipe_that_breaks_inside_is_told(tmp_path: Path) -> None:
    """A process of the command's own is no reader of its output: that ended without a word."""
    run = (
        "import os, harness.cli.prepare.challenges as it; from harness.cli import main\n"
        "def broken(*args, **more):\n"
        " reader, writer = os.pipe(); os.close(reader); os.write(writer, b'x')\n"
        "it.command.callback = broken\n"
        "main(['challenges'])"
    )
    done = python(run, cwd=tmp_path)
    assert done.returncode == 1
    assert "BrokenPipeError" in done.stderr
    assert "a process of this command ended early" in done.stderr


def test_a_reader_that_goes_away_ends_a_command_like_any_filter(tmp_path: Path) -> None:
    run = "from harness.cli import main; main(['challenges', 'finance', '--json'])"
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "{run}" | true; echo ${{PIPESTATUS[0]}}'],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    # 0 where all of it fitted into the pipe before its reader went.
    assert done.stdout.strip() in ("0", "1"), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
