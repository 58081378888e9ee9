"""What is said of every kind of submission, pull request and dear file that once deceived.

    python bench/hostile/hostile.py said    tries them all and writes the table of docs/trust.md

Each line names the test that holds it; `tests/submissions/test_said.py` holds the lines of
submissions and that the tests exist.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clean_submission import Submission, fake_digest
from hostile_cost import CASES as DEAR
from hostile_cost import measured

from harness.errors import HarnessError
from harness.leaderboard.build import build
from harness.pull_request.comment import FENCE
from harness.submissions.check import verify
from harness.submissions.submit import submit

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "trust.md"
MARKS = "<!-- {} of what is said of submissions -->"
TREE = "submissions"
MINE = f"{TREE}/finance/mine"
CLAIM = ROOT / "submissions/finance/ethicalabs-smollm2-1.7b"
WEIGHTS = "adapter/adapter_model.safetensors"
ONCE = "tests/submissions/test_once.py::"
STRICT = "tests/verify/test_strict_values.py::"
JUDGE = "tests/pull_request/test_judge.py::"


@dataclass(frozen=True)
class Tried:
    """One thing that was tried."""

    what: str
    said: Callable[[Path], str]
    """Tries it in an empty folder and returns what is said."""
    test: str
    """The test that holds it: `tests/FILE.py::NAME`."""


def of_findings(folder: Path, *rules: str) -> str:
    """Verify a path and return its findings, or what is taken as stated where there is none."""
    report = verify([folder])
    found = [item for item in report.findings if not rules or item.rule in rules]
    if not found:
        return "nothing"
    item = found[0]
    return f"{item.severity} [{item.rule}] {item.found}; expected {item.expected}"


def changed(change: Callable[[Submission], object], *rules: str) -> Callable[[Path], str]:
    """Return what tries a synthetic submission with one change, every digest made to fit."""

    def tried(room: Path) -> str:
        s = Submission()
        change(s)
        return of_findings(s.write(room / MINE), *rules)

    return tried


def spec_of(**parts: dict[str, Any]) -> Callable[[Submission], None]:
    """Return a change of parts of the spec, without validation: as a forger writes."""

    def change(s: Submission) -> None:
        for part, values in parts.items():
            s.record["spec"][part] = {**(s.record["spec"][part] or {}), **values}

    return change


def stated(begin: str, change: Callable[[Submission], object]) -> Callable[[Path], str]:
    """Return what tries a change that no file contradicts: verify says that it is as stated."""

    def tried(room: Path) -> str:
        s = Submission()
        change(s)
        report = verify([s.write(room / MINE)])
        line = next(x for v in report.verdicts for x in v.stated if x.startswith(begin))
        return f"clean, and as stated: {line}"

    return tried


def copy(room: Path) -> str:
    """Another's entry under another name, run id and date."""
    Submission().write(room / TREE / "finance/theirs")
    s = Submission()
    s.record["created"] = "2026-04-02T12:00:00+00:00"
    s.record["run_id"] = f"20260402T120000Z-{s.record['spec_digest'][:8]}-ffffff"
    s.write(room / MINE)
    return of_findings(room / TREE, "once")


def four_names(room: Path) -> str:
    """One run four times."""
    for name in ("a", "b", "c", "d"):
        Submission().write(room / TREE / "finance" / name)
    _, refused = build(room / TREE)
    return f"{len(refused)} of 4 are on no board: {refused[0].partition(': ')[2]}"


def invented(room: Path) -> str:
    """A README with figures that nobody measured."""
    folder = room / TREE / "finance" / CLAIM.name
    shutil.copytree(CLAIM, folder)
    files, _ = build(room / TREE)
    board = json.loads(files["finance/leaderboard.json"])
    [claim] = board["claims"]
    others = [item["kind"] for item in board["entries"]]
    return (
        f"in the table of claims: {claim['status']}, group {claim['rank_group']}; among runs and"
        f" references: {others.count('claim')}"
    )


def smoke(room: Path) -> str:
    """A smoke run given to `submit`."""
    sys.path.insert(0, str(ROOT / "tests" / "submissions"))
    folder = importlib.import_module("test_submit").smoke_run(room / "run")
    try:
        submit(folder, room / TREE)
    except HarnessError as error:
        return str(error).replace(str(folder), "RUN")
    return "nothing"


def weights_of_nan(s: Submission) -> None:
    """The adapter's weights, one of them no number."""
    s.add_weights()
    data = bytearray(s.extra[WEIGHTS])
    data[-4:] = b"\x00\x00\xc0\x7f"
    s.extra.clear()
    s.replace_weights(bytes(data))
    s.chain_weights()


def one_number(s: Submission) -> None:
    """A method of one's own whose adapter is one number."""
    s.record["spec"]["peft"] = {"name": "pretend/mine", "params": {}}
    s.record["adapter"] |= {"tensors": [{"name": "x", "shape": [1]}], "parameters": 1}
    s.record["communication"]["message_bytes"] = 133


def contradicting(s: Submission) -> None:
    """A second measure that answers every row otherwise than the first."""
    labels = ("negative", "neutral", "positive")
    challenge_score = dict(s.record["scores"][0])
    del challenge_score["leak"]
    for task, rows in list(s.generations.items()):
        lines = []
        for index, (row, target, label, _) in enumerate(rows):
            other = labels[(labels.index(label) + 1) % 3]
            numbers = [-0.5 if name == other else -5.0 for name in labels]
            lines.append(
                json.dumps({"index": index, "row": row, "target": target, "label": other,
                            "loglikelihoods": numbers}) + "\n"
            )  # fmt: skip
        s.extra[f"generations/{task}.loglikelihood.jsonl"] = "".join(lines).encode()


def near(s: Submission) -> None:
    """Evidence within a tolerance, of scores that are others."""
    record = s.record
    compared = {
        f"round {r['round']}": r["aggregate_sha256"] for r in record["federation"]["rounds"]
    }
    compared |= {item["task"]: "1/2" for item in record["scores"]}
    compared["adapter"] = record["adapter"]["sha256"]
    s.evidence["re-run"] = {
        "level": "re-run", "date": "2026-05-01T12:00:00Z", "command": "harness reproduce x",
        "spec_digest": record["spec_digest"], "adapter_sha256": record["adapter"]["sha256"],
        "compared": compared, "packages": {"torch": "1"}, "device": "cpu", "tolerance": 1e-3,
        "difference": 1e-4,
    }  # fmt: skip


def training_file(s: Submission) -> None:
    """Another training file."""
    digest = fake_digest("another file")
    s.record["data"][0] |= {"sha256": digest, "files": {"train.parquet": digest}}


def respec(**changes: Any) -> Callable[[Submission], None]:
    """Return a change of the spec that is a spec."""
    return lambda s: s.respec(lambda spec: spec.update(changes))


def model(**changes: Any) -> Callable[[Submission], None]:
    """Return another model, in the spec and among the data."""

    def change(s: Submission) -> None:
        s.record["spec"]["model"] |= changes
        s.record["data"][1]["name"] = changes["hub_id"]
        s.config["base_model_name_or_path"] = changes["hub_id"]

    return change


SUBMISSIONS = (
    Tried("another's entry under another name, run id and date", copy,
          f"{ONCE}test_a_copy_is_found_by_what_is_left_of_its_source"),
    Tried("one run under four names", four_names,
          f"{ONCE}test_one_run_under_four_names_is_one_entry_and_one_row_of_the_board"),
    Tried("an imported README with invented figures", invented,
          "tests/leaderboard/test_build.py"
          "::test_a_claim_of_every_row_right_ranks_nowhere_and_stands_above_nothing"),
    Tried("a smoke run", smoke, "tests/submissions/test_submit.py"
          "::test_a_smoke_run_is_refused_with_average_one_sentence_and_next_step"),
    Tried("16 rows of each set", changed(respec(evaluation_rows=16), "whole-run"),
          "tests/submissions/test_submit.py"
          "::test_an_exercise_that_is_filed_by_hand_is_on_no_board"),
    Tried("a PEFT method of one's own, one number, 133 bytes a message",
          changed(one_number, "stated-adapter"),
          f"{STRICT}test_an_adapter_of_an_unknown_method_is_told_to_be_as_stated"),
    Tried("another training file, said to be the hub's", stated("the training", training_file),
          f"{STRICT}test_what_is_taken_as_stated_is_said_with_the_verdict"),
    Tried("a hub id with a Cyrillic letter",
          changed(model(hub_id="pretend/pr\u0435tend-1m"), "identifiers"),
          f"{STRICT}test_a_name_that_only_looks_like_one_is_none"),
    Tried("a hub id with an invisible letter",
          changed(model(hub_id="pretend/pretend\u200d-1m"), "identifiers"),
          f"{STRICT}test_a_name_that_only_looks_like_one_is_none"),
    Tried("a hub id with a line break, a line of the card's header behind it",
          changed(model(hub_id="pretend/pretend-1m\nlicense: mit"), "identifiers"),
          f"{STRICT}test_a_name_that_only_looks_like_one_is_none"),
    Tried("a card that says 100 %", changed(lambda s: setattr(s, "card", "# 100 %, certified\n"),
          "card"), "tests/verify/test_rules.py::test_only_this_rule_rejects_its_fixture"),
    Tried("two measures that contradict each other on every row",
          changed(contradicting, "measures-agree"),
          f"{STRICT}test_measures_that_contradict_each_other_on_nearly_every_row_are_flagged"),
    Tried("a base model under anybody's name", stated("the base model",
          lambda s: (model(hub_id="anybody/best-1m")(s), s.respec(lambda spec: None))),
          f"{STRICT}test_what_is_taken_as_stated_is_said_with_the_verdict"),
    Tried("weights that are no numbers", changed(weights_of_nan, "adapter-weights"),
          f"{STRICT}test_weights_are_finite"),
    Tried("a negative price", changed(spec_of(price={"per_hour": {"gpu": -0.25}}), "schema"),
          f"{STRICT}test_a_price_is_positive_finite_and_in_a_currency_that_exists"),
    Tried("a currency that is a link",
          changed(spec_of(price={"currency": "https://example.org"}), "schema"),
          f"{STRICT}test_a_price_is_positive_finite_and_in_a_currency_that_exists"),
    Tried("a component that does not exist",
          changed(respec(strategy={"name": "standard/best", "params": {}}), "components"),
          f"{STRICT}test_a_component_exists_and_has_its_parameters_with_their_types"),
    Tried("a number written as text, for a second digest of one spec",
          changed(spec_of(train={"rounds": "3"}), "canonical"),
          f"{STRICT}test_a_value_of_another_type_gives_no_second_digest_to_a_spec"),
    Tried("evidence within a tolerance whose other values all differ", changed(near, "evidence"),
          f"{STRICT}test_within_a_tolerance_only_tensors_may_differ"),
)  # fmt: skip


def pull_requests() -> dict[str, Tried]:
    """Return the pull requests, played on a git repository that is made for each."""
    sys.path.insert(0, str(ROOT / "tests" / "pull_request"))
    play = importlib.import_module("test_judge")

    @contextmanager
    def clone(room: Path) -> Iterator[Path]:
        folder = room / "original"
        Submission().write(folder / play.RUN)
        for name in ("harness/rules.py", ".github/workflows/submission.yml"):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_text("as it is\n")
        play.git(folder, "init", "--quiet", "--initial-branch=main")
        play.commit(folder, "before")
        play.git(room, "clone", "--quiet", str(folder), "clone")
        play.git(room / "clone", "checkout", "--quiet", "-b", "mine")
        yield room / "clone"

    def judged(*changes: Callable[[Path], object]) -> Callable[[Path], str]:
        def tried(room: Path) -> str:
            with clone(room) as folder:
                play.file_claim(folder, "two")
                _, text = play.said(folder, lambda folder: [change(folder) for change in changes])
            first = text.split("\n", 1)[0].removeprefix("## Submission: ")
            _, _, fenced = text.partition("It may not change:")
            return f"{first}: {fenced.split(FENCE)[1].strip()}" if fenced else first

        return tried

    def two(room: Path) -> str:
        with clone(room) as folder:
            said = []
            for name in ("two", "three"):
                play.git(folder, "checkout", "--quiet", "-b", name, "main")
                play.file_claim(folder, name)
                play.commit(folder, name)
                found = play.judge(folder, "main", name)
                new = len([line for line in found.after if line not in found.before])
                gone = len([line for line in found.before if line not in found.after])
                what = "accepted" if found.accepted else "refused"
                said.append(f"{what}, {new} line new and {gone} gone")
            play.git(folder, "checkout", "--quiet", "main")
            for name in ("two", "three"):
                play.git(folder, "merge", "--quiet", "--no-edit", name)
        return f"{'; '.join(said)}; both merge"

    named = f"{JUDGE}test_what_a_pull_request_may_not_change_beside_its_folder_is_named"
    return {
        item.what: item
        for item in (
            Tried("generated pages edited by hand", judged(play.edit_pages), named),
            Tried("somebody's entry deleted", judged(play.delete_entry), named),
            Tried("somebody's entry renamed", judged(play.rename_entry), named),
            Tried("a workflow changed", judged(play.change_workflow), named),
            Tried("the harness changed", judged(play.change_harness), named),
            Tried("two honest pull requests", two,
                  f"{JUDGE}test_thirty_submissions_of_thirty_branches_merge_and_each_is_accepted"),
            Tried("actions by tag, packages without digests", unpinned,
                  "tests/pull_request/test_workflows.py"
                  "::test_actions_are_named_by_commit_and_packages_by_digest"),
        )
    }  # fmt: skip


def unpinned(room: Path) -> str:
    """Count what the workflows use, and what of it is not pinned."""
    uses = [
        line.partition("uses:")[2].strip().split(" ")[0]
        for file in (ROOT / ".github/workflows").glob("*.yml")
        for line in file.read_text().splitlines()
        if "uses:" in line
    ]
    loose = [name for name in uses if len(name.rpartition("@")[2]) != 40]
    return f"{len(uses)} uses of actions by commit, {len(loose)} by tag; packages by a lock"


def dear() -> Iterator[tuple[str, str]]:
    """Yield each dear file of the list and what its check costs here."""
    for name in ("1.2 million keys, the last one twice", "{input:>3000000000}", "(a|a)+$"):
        cost = measured(DEAR[name])
        yield name, f"{cost['s']:.2f} s of processor time, {cost['mb']:.0f} MB"


def shown(text: str) -> str:
    """Return a text as a cell of a table, on one line."""
    text = " ".join(text.split())
    text = text if len(text) <= 200 else f"{text[:197]}..."
    return "`" + text.replace("|", "\\|").replace("`", "'") + "`"


def lines_of(tried: tuple[Tried, ...]) -> list[str]:
    """Try each in a folder of its own and return the lines of the table."""
    lines = []
    for item in tried:
        with tempfile.TemporaryDirectory() as temporary:
            said = item.said(Path(temporary)).replace(f"{temporary}/", "")
        lines.append(f"| {item.what} | {shown(said)} | {item.test.rpartition('::')[2]} |")
    return lines


def head(*columns: str) -> list[str]:
    """Return the head of a table."""
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]


def said(count: int, seed: int) -> dict[str, Any]:
    """Try everything and write the tables of docs/trust.md."""
    cost_test = "test_the_dearest_files_are_cheap"
    text = "\n".join(
        [
            "### Submissions and records", "", *head("tried", "said", "test"),
            *lines_of(SUBMISSIONS), "",
            "### Pull requests", "", *head("tried", "said", "test"),
            *lines_of(tuple(pull_requests().values())), "",
            "### Dear files", "", *head("file", "a check takes", "test"),
            *(f"| `{name}` | {what} | {cost_test} |".replace("a|a", "a\\|a")
              for name, what in dear()),
        ]
    )  # fmt: skip
    begin, end = MARKS.format("begin"), MARKS.format("end")
    before, _, rest = PAGE.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
    return {"written": str(PAGE.relative_to(ROOT)), "lines": text.count("\n| ")}
