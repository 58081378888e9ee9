"""Execution as a whole: order, second attempts, what is refused, and what ends with the harness."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from traces import Traces, mark_sandboxes

from harness.boards.execution import Execution, execute, languages
from harness.boards.execution.sandbox import Sandbox
from harness.boards.execution.verdict import Attempt, Isolation, Verdict
from harness.errors import EvaluationError, UsageError

HERE = Path(__file__).parent
needs_cpp = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on PATH")
linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox's strong form is Linux's")


def words(done: Execution) -> list[str]:
    """Return the verdicts as text."""
    return [str(verdict) for verdict in done.verdicts]


def python(*programs: str) -> list[str]:
    """Return the verdicts of Python programs."""
    return words(execute(programs, "python", policy="auto"))


def test_verdicts_come_in_the_order_of_the_programs_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    programs = ["import time\ntime.sleep(0.3)", "assert False", "pass", "1 / 0"]
    done = execute(
        programs, "python", policy="auto", workers=3, progress=lambda *pair: told.append(pair)
    )
    assert words(done) == [
        "passed",
        "failed: AssertionError",
        "passed",
        "failed: ZeroDivisionError",
    ]
    assert done.passed == 2
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert Execution.model_validate_json(done.canonical_json()) == done


def test_no_programs_are_no_verdicts() -> None:
    assert execute([], "python", policy="auto").verdicts == ()


def test_a_timeout_counts_only_when_it_happens_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "PYTHON_WALL_S", 0.5)
    done = execute(["import time\ntime.sleep(5)", "pass"], "python", policy="auto")
    assert words(done) == ["timed out", "passed"]
    first, alone = done.verdicts[0].attempts
    assert first.outcome == alone.outcome == "timed out"
    assert alone.wall_s >= 0.5
    assert alone.cpu_s < 0.5
    assert len(done.verdicts[1].attempts) == 1


def test_the_second_attempt_counts() -> None:
    late = Attempt(outcome="timed out", wall_s=3, waited_s=0, limit_share=1, cpu_s=0.4)
    alone = Attempt(outcome="passed", wall_s=2, waited_s=0, limit_share=0.7, cpu_s=1.9)
    verdict = Verdict(attempts=(late, alone))
    assert verdict.passed
    assert verdict.depends_on_speed
    with pytest.raises(ValueError, match="only on a timeout"):
        Verdict(attempts=(alone, late))


@linux
def test_time_without_a_processor_is_not_counted() -> None:
    """It shares one processor with three others; only what it had of it counts against 3 s."""
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this kernel does not tell how long a process waits")
    there = f"import os, time\nos.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\n"
    busy = there + "while True: pass"
    rivals = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(3)]
    work = there + "while time.process_time() < 1.5: pass"
    try:
        attempt = execute([work], "python", policy="auto").verdicts[0].attempts[0]
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()
    assert attempt.outcome == "passed"
    assert attempt.waited_s > 0.5
    assert attempt.limit_share == pytest.approx((attempt.wall_s - attempt.waited_s) / 3, abs=0.01)
    assert attempt.limit_share < 0.8


def test_a_verdict_does_not_depend_on_the_callers_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "planted.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("API_TOKEN", "secret")
    assert python(
        "import planted",
        f"assert hash('a') == {_hash_of_a()}",
        "import os\nassert 'API_TOKEN' not in os.environ",
        "import os, posix\nassert os.environ['HOME'] == os.environ['TMPDIR'] == posix.getcwd()",
    ) == ["failed: ModuleNotFoundError: planted", "passed", "passed", "passed"]


def _hash_of_a() -> str:
    command = [sys.executable, "-c", "print(hash('a'))"]
    told = subprocess.check_output(command, env={"PYTHONHASHSEED": "0"}, text=True)
    return told.strip()


def test_a_program_starts_in_an_empty_folder_whatever_the_last_one_left() -> None:
    program = "import posix\nassert not posix.listdir('.')\nopen('left', 'w').write('x')"
    assert python(*[program] * 4) == ["passed"] * 4


def test_guarded_functions_are_gone_as_in_the_scorer() -> None:
    gone = "import os, shutil, subprocess\nassert os.system is os.kill is shutil.rmtree is None\n"
    gone += "assert subprocess.Popen is None"
    assert python(gone, "import psutil") == ["passed", "failed: ModuleNotFoundError: psutil"]


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UsageError, match='no language "pyton" is executed; did you mean "python"'):
        execute([], "pyton")


@pytest.mark.parametrize(("language", "tool"), [("javascript", "node"), ("cpp", r"g\+\+")])
def test_a_missing_tool_is_named_with_where_to_get_it(
    language: str, tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EvaluationError, match=f"^{tool} is not on PATH.*install") as caught:
        execute(["x"], language)
    assert "\n" not in str(caught.value)


def test_required_refuses_a_machine_that_isolates_less(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = Isolation(
        network="open",
        files="open",
        processes="process group",
        signals="open",
        user="the caller's",
        memory="address space only",
        folder="each file bounded",
        missing=("darwin: a program that leaves its process group is not ended",),
    )
    result = {"end": "exited", "exit": 0, "said": "passed", "stderr": ""}
    monkeypatch.setattr(Sandbox, "_launch", lambda *_: (weak, [result]))
    language = languages.find_python()
    with pytest.raises(EvaluationError, match="cannot isolate programs: darwin: a program"):
        Sandbox(language, "required")
    with Sandbox(language, "auto") as sandbox:
        assert sandbox.isolation == weak


def test_a_sandbox_that_cannot_be_built_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(languages.find_python(), "auto") as sandbox:
        job = languages.SandboxJob({}, (languages.step(["/no/such/program"], 1, 1000),))
        with pytest.raises(EvaluationError, match="cannot be built: /no/such/program"):
            sandbox.run(job)


def test_an_interrupted_execution_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Sandbox, "_launch", mark_sandboxes("interrupted"))
    before = Traces.now("interrupted")

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        execute(
            ["pass", *["import time\ntime.sleep(2.9)"] * 20],
            "python",
            policy="auto",
            workers=2,
            progress=interrupt,
        )
    assert time.monotonic() - begin < 20
    assert Traces.left_since(before) == []


@linux
def test_what_runs_ends_when_the_harness_is_killed(tmp_path: Path) -> None:
    before = Traces.now("killed")
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]; sys.path.append(sys.argv[2])\n"
        "from traces import mark_sandboxes\n"
        "from harness.boards.execution.sandbox import Sandbox\n"
        "Sandbox._launch = mark_sandboxes('killed')\n"
        "from harness.boards.execution import execute, languages\n"
        "languages.PYTHON_WALL_S = 500\n"
        "daemon = 'import posix, time\\nif posix.fork() == 0: posix.setsid()\\ntime.sleep(400)'\n"
        "execute([daemon], 'python', policy='auto')"
    )
    harness = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(HERE)])
    deadline = time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            new = Traces.now("killed").beyond(before)
            if sum(" -s -P -B -c " in one for one in new) >= 2:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the program never started")
    finally:
        harness.send_signal(signal.SIGKILL)
        harness.wait()
    left = [one for one in Traces.left_since(before) if "harness-execution" not in one]
    assert left == []


@needs_cpp
def test_the_compiled_header_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    head = "#include<assert.h>\n#include<bits/stdc++.h>\n"
    programs = [
        head + "int main() { std::vector<int> v{1}; assert(v.size() == 1); }",
        "int main() { std::vector<int> v; }",
    ]
    plain = execute(programs, "cpp", policy="auto")
    monkeypatch.setattr("harness.boards.execution.attempts.WORTH_PRECOMPILING", 1)
    faster = execute(programs, "cpp", policy="auto")
    assert faster.precompiled_header
    assert not plain.precompiled_header
    assert words(faster) == words(plain)
    assert [one.passed for one in plain.verdicts] == [True, False]
    assert faster.verdicts[0].attempts[0].cpu_s < plain.verdicts[0].attempts[0].cpu_s
