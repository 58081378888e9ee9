"""Choose the mutants of a run: one a place, at random with a seed; all others are skipped.

    python bench/mutation/choose.py SESSION COUNT SEED
    python bench/mutation/choose.py SESSION again    # the survivors wait to be judged once more

A place is a token of the source. Left out: annotations, which are not executed; what only a type
checker reads; a sandbox, whose effects are no light test's to see; and tables of models.
"""

from __future__ import annotations

import ast
import random
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing
from functools import cache
from pathlib import Path

from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, WorkerOutcome, WorkResult

LEFT_OUT = ("harness/boards/execution/", "harness/verify/independent/architectures.py")

Span = tuple[tuple[int, int], tuple[int, int]]


@cache
def unexecuted(path: str) -> tuple[Span, ...]:
    """Return where annotations and blocks for type checkers stand in a file."""
    found: list[ast.AST] = []
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            every += [item for item in (arguments.vararg, arguments.kwarg) if item]
            found += [item.annotation for item in every if item.annotation]
            found += [node.returns] if node.returns else []
        elif isinstance(node, ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found.append(node)
    return tuple(
        ((item.lineno, item.col_offset), (item.end_lineno or 0, item.end_col_offset or 0))
        for item in found
    )


def is_executed(mutation: MutationSpec) -> bool:
    """Whether a place is one that a test could see."""
    path = mutation.module_path.as_posix()
    if path.startswith(LEFT_OUT):
        return False
    return not any(first <= mutation.start_pos < last for first, last in unexecuted(path))


def again(session: str) -> None:
    """Forget the verdicts on survivors."""
    with use_db(session) as database:
        survivors = [job for job, result in database.results if not result.is_killed]
    with closing(sqlite3.connect(session)) as connection, connection:
        connection.executemany(
            "delete from work_results where job_id = ?", [(job,) for job in survivors]
        )
    print(f"{len(survivors)} survivors are judged once more")


def main() -> None:
    """Skip everything but the chosen ones."""
    if sys.argv[2] == "again":
        again(sys.argv[1])
        return
    session, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(seed)
    with use_db(session) as database:
        places = defaultdict(list)
        pending = list(database.pending_work_items)
        for item in pending:
            [mutation] = item.mutations
            if is_executed(mutation):
                places[mutation.module_path.as_posix(), mutation.start_pos].append(item)
        # In order of place, not of the session's random ids, so that a seed means one choice.
        chosen = draw.sample(sorted(places), min(count, len(places)))
        kept = set()
        for place in chosen:
            items = sorted(places[place], key=lambda i: (i.mutations[0].operator_name,
                                                         i.mutations[0].occurrence))  # fmt: skip
            kept.add(draw.choice(items).job_id)
        skipped = WorkResult(output="not chosen", worker_outcome=WorkerOutcome.SKIPPED)
        others = [item.job_id for item in pending if item.job_id not in kept]
        database.set_multiple_results(others, skipped)
    print(f"{len(pending)} mutants at {len(places)} places; {len(kept)} chosen")


if __name__ == "__main__":
    main()
