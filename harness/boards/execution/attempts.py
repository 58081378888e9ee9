"""All programs of one language, several at once, a verdict for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.boards.execution.languages import LANGUAGES, Language, find_compiler, find_cpp
from harness.boards.execution.precompiled import precompile
from harness.boards.execution.sandbox import Policy, Sandbox
from harness.boards.execution.verdict import Attempt, Execution, Verdict
from harness.errors import UsageError, did_you_mean
from harness.kernel.allowance import cores

WORTH_PRECOMPILING = 8
"""From how many programs on C++'s header is compiled beforehand: it costs two compiles."""


def execute(
    programs: Sequence[str],
    language: str,
    *,
    policy: Policy = "required",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    namespaces: bool = True,
) -> Execution:
    """Run programs in a sandbox, each by itself, as the leaderboard's scorer runs them.

    A program that ran out of time is run again when all others are done, with no other beside it,
    and that second attempt counts.

    Args:
        programs: whole programs, tests included.
        language: "python", "javascript" or "cpp".
        policy: "required" refuses a machine that cannot isolate programs completely, "auto" takes
            what there is and names in the result what is missing.
        workers: how many programs run at once; as many as processors if None.
        progress: called with how many are done and how many there are, from this thread.
        namespaces: False leaves out the sandbox's strong form, to test the weaker one.

    Returns:
        The verdicts in the order of `programs`, and what held while they ran.

    Raises:
        UsageError: the language is unknown.
        EvaluationError: node or g++ is missing, or there is no sandbox that `policy` accepts.
    """
    if language not in LANGUAGES:
        raise UsageError(
            f'no language "{language}" is executed; {did_you_mean(language, LANGUAGES)}'
        )
    workers = workers or cores()
    begin = time.monotonic()
    with ExitStack() as stack:
        found, precompiled = _find(language, len(programs), stack)
        sandbox = stack.enter_context(Sandbox(found, policy, namespaces=namespaces))
        order = range(len(programs))
        first = _attempts(sandbox, found, programs, order, workers, progress)
        late = [number for number in order if first[number].outcome == "timed out"]
        again = _attempts(sandbox, found, programs, late, 1, None)
        verdicts = [
            Verdict(attempts=(first[n], again[n]) if n in again else (first[n],)) for n in order
        ]
        return Execution(
            language=language,
            toolchain=found.toolchain,
            precompiled_header=precompiled,
            workers=workers,
            wall_s=round(time.monotonic() - begin, 3),
            isolation=sandbox.isolation,
            verdicts=tuple(verdicts),
        )


def _find(language: str, count: int, stack: ExitStack) -> tuple[Language, bool]:
    if language != "cpp" or count < WORTH_PRECOMPILING:
        return LANGUAGES[language](), False
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="harness-header-")))
    folder.chmod(0o755)
    header = precompile(find_compiler(), folder)
    return find_cpp(header), header is not None


def _attempts(
    sandbox: Sandbox,
    language: Language,
    programs: Sequence[str],
    numbers: Iterable[int],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[int, Attempt]:
    """Run the programs with `numbers`, and return an attempt for each number."""

    def attempt(number: int) -> Attempt:
        job = language.job(programs[number])
        results = sandbox.run(job)
        outcome, reason = language.read(results)
        return Attempt(
            outcome=outcome,
            reason=reason,
            wall_s=round(sum(result["wall_s"] for result in results), 4),
            limit_share=round(
                max(_share(*pair) for pair in zip(results, job.steps, strict=False)), 3
            ),
            waited_s=round(sum(result["waited_s"] for result in results), 4),
            cpu_s=round(sum(result["cpu_s"] for result in results), 4),
        )

    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(attempt, number): number for number in numbers}
        attempts = {}
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                attempts[waiting[future]] = future.result()
                if progress is not None:
                    progress(done, len(waiting))
        except BaseException:
            # Interrupted, or the sandbox broke: nothing that was started may stay.
            pool.shutdown(wait=False, cancel_futures=True)
            sandbox.stop()
            raise
        return attempts


def _share(result: dict[str, Any], step: dict[str, Any]) -> float:
    counted: float = result["wall_s"] - result["waited_s"]
    return counted / float(step["limit_s"])
