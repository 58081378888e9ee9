"""What a check of a stranger's file costs at most: processor time and memory, case by case.

Each case runs in a process of its own, so that its memory is its own: the peak over what the
interpreter and the harness take by themselves.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clean_submission import Submission

from harness.boards.board import load_board
from harness.claims.importing.claim import import_project
from harness.errors import HarnessError
from harness.planning.settings.templates import data_faults, prompt_faults
from harness.recipe import DataSpec, Prompt, RowFilter
from harness.submissions.check import verify

MOST_S = 1.0
MOST_MB = 200.0
FOLDER = "submissions/finance/pretend"
LONG = 80_000
"""Characters of a text that `import` reads."""


Case = tuple[Callable[[Path], object], Callable[[Path], object]]
"""(what is written beforehand, what is measured)"""


def verified(text: Callable[[], str]) -> Case:
    """Return a case: verify a record of this text."""
    return (
        lambda folder: (folder / "result.json").write_text(text()),
        lambda folder: verify([folder / "result.json"]),
    )


def many_keys(count: int, last_twice: bool) -> str:
    """Return a JSON object of many keys."""
    keys = ",".join(f'"{number:07}":0' for number in range(count))
    return "{" + keys + (f',"{count - 1:07}":0' if last_twice else "") + "}"


def keys_that_pass() -> str:
    """Return a record with as many stages of timing as its schema takes."""
    s = Submission()
    s.record["timing"] = {f"k{number:06}": 1.0 for number in range(396_000)}
    return json.dumps(s.record)


def prices() -> str:
    """Return a record with 90,000 prices, packages and parameters."""
    s = Submission()
    s.record["spec"]["price"]["per_hour"] = {f"k{number:06}": 1.0 for number in range(90_000)}
    s.record["environment"]["packages"] |= {f"k{number:06}": "1" for number in range(90_000)}
    s.record["spec"]["peft"]["params"] |= {f"k{number:06}": 1 for number in range(90_000)}
    return json.dumps(s.record)


def wrong_items() -> str:
    """Return a record with 450,000 partitions that are none."""
    s = Submission()
    s.record["federation"]["rounds"][0]["partitions"] = ["x"] * 450_000
    return json.dumps(s.record)


def template(folder: object) -> None:
    """Plan a recipe that asks for three thousand million spaces."""
    for wide in ("{input:>3000000000}", "{input:{input}}", "{input}" * 5_000):
        list(data_faults(DataSpec(input=wide)))
        list(prompt_faults(Prompt(template=f"{wide}### Response:{{output}}")))


def pattern(folder: object) -> None:
    """Plan a filter that doubles with every letter."""
    for text in ("(a|a)+$", "(a+)+$", "a*" * 300, "[" * 900, "a{1,65535}" * 90, "(" * 900):
        list(data_faults(DataSpec(filters=(RowFilter(column="input", pattern=text),))))


UNITS = (
    "a", " ", "\t", "*", "|", "-", "#", "\n", "0", ".", ":", "`", "(", "[", "$", "=", "**", "* ",
    "| ", "|-", "- ", "-\n", "|\n", "\n|", "0.", "0:", "1 ", "[a", "](", "$1", "#\n", "* *", "a/",
    "communication budget ", "comm cost ", "total number of rounds", "rank (r)", "batch size",
    "alpha:", "- alpha ", "fraction fit ", "maximum lr:", "target modules:\n", "  - `q`\n",
    "[DoRA] ", "use_dora ", "simulation cost ", "for the ", "for the a/", "seconds (", "$1/hr|",
    "huggingface.co/datasets/", "Accuracy: ", "used 1 MB (+", "| FPB | FiQA | TFNS | Average |\n",
    "|---|---|---|---|\n", "- **FPB**: 1", "python eval.py --", "```toml\n", "a = 1\n", "[x]\n",
    "model.name = \"\n", "a.", "[[", "{", "'", '"',
)  # fmt: skip
"""What adversarial texts are made of: the beginnings of everything that is looked for."""


def imported(unit: str, name: str) -> Case:
    """Return a case: import a project one of whose files is one unit again and again."""

    def write(folder: Path) -> None:
        (folder / "README.md").write_text("# A project\n")
        (folder / "pyproject.toml").write_text(
            "[tool.flwr.app.config]\nstatic.dataset.name = 'flwrlabs/fingpt-sentiment-train'\n"
        )
        (folder / name).write_text((unit * (LONG // len(unit) + 1))[:LONG])

    def check(folder: Path) -> None:
        try:
            import_project(folder, challenge=load_board("finance").id)
        except HarnessError:
            return

    return write, check


CASES: dict[str, Case] = {
    "1.2 million keys, the last one twice":
        verified(lambda: many_keys(1_200_000, last_twice=True)),
    "100,000 keys, the last one twice": verified(lambda: many_keys(99_999, last_twice=True)),
    "396,000 keys of one object": verified(keys_that_pass),
    "3 x 90,000 keys that pass the schema": verified(prices),
    "450,000 wrong items": verified(wrong_items),
    "nesting": verified(lambda: "[" * 3_000_000),
    "one number of 2,000,000 digits": verified(lambda: "9" * 2_000_000),
    "one text of 15,000,000 letters": verified(lambda: '"' + "a" * 15_000_000 + '"'),
    "quotes": verified(lambda: '"' * 15_000_000),
    "escapes": verified(lambda: '"' + "\\\\" * 7_000_000),
    "{input:>3000000000}": (str, template),
    "(a|a)+$": (str, pattern),
}  # fmt: skip


def measured(case: Case) -> dict[str, float]:
    """Return the seconds of processor time and the MB of memory of a case, in its own process."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    write, check = case

    def run(folder: Path) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF)
        begin = time.process_time()
        check(folder)
        seconds = time.process_time() - begin
        after = resource.getrusage(resource.RUSAGE_SELF)
        queue.put((seconds, (after.ru_maxrss - before.ru_maxrss) * 1024 / 1e6))

    with tempfile.TemporaryDirectory() as temporary:
        writer = context.Process(target=write, args=(Path(temporary),))
        writer.start()
        writer.join()
        process = context.Process(target=run, args=(Path(temporary),))
        process.start()
        process.join(120)
    if process.is_alive():
        process.kill()
        return {"s": float("inf"), "mb": float("inf")}
    seconds, size = queue.get()
    return {"s": round(seconds, 3), "mb": round(size, 1)}


def cost(count: int, seed: int) -> dict[str, Any]:
    """Measure every case; of the texts for `import` the dearest are listed."""
    result: dict[str, Any] = {name: measured(case) for name, case in CASES.items()}
    texts = {
        f"import, {name} of {unit!r}": measured(imported(unit, name))
        for name in ("README.md", "pyproject.toml", "log.txt", "results/acc_fpb_fl.txt")[:3]
        for unit in UNITS
    }
    dearest = sorted(texts, key=lambda name: -texts[name]["s"])[:8]
    result |= {name: texts[name] for name in dearest}
    result["import, texts tried"] = len(texts)
    over = [
        name for name, item in {**result, **texts}.items()
        if isinstance(item, dict) and (item["s"] > MOST_S or item["mb"] > MOST_MB)
    ]  # fmt: skip
    return result | {"beyond 1 s or 200 MB": over}
