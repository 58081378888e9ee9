"""Properties of every board that can be run. No board is named here: a new one is held as well."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.boards.board import board_names, load_board
from harness.boards.challenge import TrainingPin, challenge_names, load_challenge
from harness.boards.execution import LANGUAGES, execute
from harness.boards.leaks import pinned_leaks
from harness.boards.protocol import SMOKE_ROWS, BoardProtocol
from harness.boards.protocols.programs import program_of, until_stop
from harness.boards.registry import protocol_of, reader_of
from harness.boards.rows import CONTEXT_CHARS, bind_target, pinned_digests
from harness.boards.training_pin import training_faults
from harness.document import sha256_file
from harness.errors import EvaluationError
from harness.scoring.rescore import rescore

PROTOCOLS = {name: protocol_of(load_challenge(name)) for name in challenge_names()}
SETS = [(name, item.task) for name in PROTOCOLS for item in load_challenge(name).evaluation]

HINT_CHARACTERS = 24
"""Length of a tail that must show what settled a text: at least the longest answer and a marker."""

READ = [(name, task) for name, task in SETS if PROTOCOLS[name].rederivable]
"""Sets whose outputs are read; those of the others are executed."""
EXECUTED = [(name, task) for name, task in SETS if not PROTOCOLS[name].rederivable]

every_board = pytest.mark.parametrize("name", list(PROTOCOLS))
every_set = pytest.mark.parametrize(("name", "task"), SETS)
every_read_set = pytest.mark.parametrize(("name", "task"), READ)
every_executed_set = pytest.mark.parametrize(("name", "task"), EXECUTED)


def words(protocol: BoardProtocol, task: str) -> list[str]:
    """Return what can matter to a reading: answers, the end of a prompt, a prompt, spaces."""
    answers = protocol.answers(task) or protocol.targets(task)
    prompt = protocol.smoke_rows(task).rows[0].context
    last_line = prompt.rpartition("\n")[2]
    return [
        *(form(answer) for answer in answers for form in (str.lower, str.capitalize, str.upper)),
        *([last_line, last_line.strip(), prompt] if last_line else [prompt]),
        *(" ", "\n", "\n##", "x"),
    ]


def pieces(protocol: BoardProtocol, task: str) -> st.SearchStrategy[str]:
    """Return texts made of such words and of any others."""
    word = st.sampled_from(words(protocol, task))
    return st.lists(word | word | st.text(max_size=3), max_size=6).map("".join)


def refusal(protocol: BoardProtocol, task: str, output: str) -> str:
    """Return why an output of a board without readings is not read."""
    with pytest.raises(EvaluationError) as caught:
        protocol.read(task, output, "")
    return str(caught.value)


def reading(protocol: BoardProtocol, task: str, prompt: str, new_text: str) -> str:
    """Return the answer of a whole text."""
    output = protocol.output_of(prompt, prompt + new_text, new_text)
    return protocol.read(task, output, "").answer


@every_board
def test_rows_are_pinned_one_digest_each(name: str) -> None:
    challenge = load_challenge(name)
    assert {task: len(rows) for task, rows in pinned_digests(name).items()} == {
        item.task: item.rows for item in challenge.evaluation if item.fingerprint
    }
    assert set(pinned_leaks(name)) <= {item.task for item in challenge.evaluation}


@every_read_set
def test_the_right_answer_of_a_smoke_row_reads_as_right(name: str, task: str) -> None:
    protocol = PROTOCOLS[name]
    official = protocol.smoke_rows(task)
    assert len(official.rows) == len(official.examples) == SMOKE_ROWS
    for row in official.rows:
        output = protocol.output_of(row.context, row.context + row.target, row.target)
        assert protocol.read(task, output, row.target).correct
        assert protocol.read(task, output, row.target).valid


@every_read_set
def test_the_right_answer_of_an_official_row_reads_as_right(
    name: str, task: str, mirror: Path
) -> None:
    pytest.importorskip("datasets")
    protocol, item = PROTOCOLS[name], load_challenge(name).evaluation_set(task)
    files = [mirror / "datasets" / item.dataset / file for file in item.files]
    if not all(file.is_file() for file in files):
        pytest.skip(f"no {item.dataset} in the mirror")
    official = protocol.rows(task, files)
    assert len(official.rows) == len(official.examples) == item.rows
    for row in official.rows:
        assert protocol.read(task, row.target, row.target).correct
        assert protocol.read(task, row.target, row.target).valid


@every_executed_set
def test_the_solution_of_a_smoke_row_passes_and_no_completion_does_not(
    name: str, task: str
) -> None:
    """Where a text does not say whether it is right, running it does."""
    form = PROTOCOLS[name].decoding.sampling.forms[task]
    try:
        LANGUAGES[form.language]()
    except EvaluationError as error:
        pytest.skip(str(error))
    official = PROTOCOLS[name].smoke_rows(task)
    assert len(official.rows) == len(official.examples) == SMOKE_ROWS
    row, (_, solution) = official.rows[0], official.examples[0]
    assert until_stop(solution, form.stop_words) == solution
    programs = [program_of(row.context, text, row.tests) for text in (solution, "")]
    done = execute(programs, form.language, policy="auto")
    outcomes = [verdict.outcome for verdict in done.verdicts]
    assert outcomes[0] == row.target
    assert outcomes[1] in set(PROTOCOLS[name].answers(task)) - {row.target}
    assert "--execute" in refusal(PROTOCOLS[name], task, solution)


@every_executed_set
def test_a_completion_that_never_changes_passes_nothing(name: str, task: str, mirror: Path) -> None:
    """What the record says of the best constant; `bench/` tries more of them on every row."""
    pytest.importorskip("pyarrow")
    form = PROTOCOLS[name].decoding.sampling.forms[task]
    try:
        LANGUAGES[form.language]()
    except EvaluationError as error:
        pytest.skip(str(error))
    item = load_challenge(name).evaluation_set(task)
    files = [mirror / "datasets" / item.dataset / file for file in item.files]
    rows = PROTOCOLS[name].rows(task, files).rows[:: item.rows // 4]
    constants = {
        "python": "\n    return True", "javascript": "\n  return true;\n}", "cpp": "\n  return {};",
    }  # fmt: skip
    programs = [program_of(row.context, constants[form.language], row.tests) for row in rows]
    done = execute(programs, form.language, policy="auto")
    assert PROTOCOLS[name].constants(task, ["passed"]) == {
        "empty_answer": 0.0, "best_constant": float(done.passed),
    }  # fmt: skip


@every_executed_set
def test_official_rows_have_tests_and_other_tests_are_refused(
    name: str, task: str, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    protocol, item = PROTOCOLS[name], load_challenge(name).evaluation_set(task)
    files = [mirror / "datasets" / item.dataset / file for file in item.files]
    official = protocol.rows(task, files)
    assert len(official.rows) == len(official.examples) == item.rows
    assert all(row.tests for row in official.rows)
    problems = protocol.read_problems(task, files)
    problems[3] = problems[3]._replace(tests=problems[3].tests + "\n")
    monkeypatch.setattr(protocol, "read_problems", lambda *_: problems)
    with pytest.raises(EvaluationError, match="tests are not"):
        protocol.rows(task, files)


@every_set
def test_the_right_answer_of_a_pinned_row_is_an_answer(name: str, task: str) -> None:
    """A row's digest says which answer is right, and it is one of those that can be."""
    answers = PROTOCOLS[name].targets(task)
    for row in pinned_digests(name).get(task, ()):
        assert sum(bind_target(row[:CONTEXT_CHARS], answer) == row for answer in answers) == 1


@every_set
@settings(deadline=None)
@given(data=st.data())
def test_stopping_early_never_changes_a_reading(name: str, task: str, data: st.DataObject) -> None:
    protocol = PROTOCOLS[name]
    prompt = data.draw(st.sampled_from(protocol.smoke_rows(task).rows)).context
    begun = data.draw(pieces(protocol, task))
    if not protocol.settled(task, prompt + begun):
        return
    before = reading(protocol, task, prompt, begun)
    for then in [*words(protocol, task), data.draw(pieces(protocol, task))]:
        assert reading(protocol, task, prompt, begun + then) == before, then
        assert protocol.settled(task, prompt + begun + then), then


@every_set
@settings(deadline=None)
@given(data=st.data())
def test_the_hint_never_hides_a_settled_text(name: str, task: str, data: st.DataObject) -> None:
    """At the first character that settles a text, the last ones show it."""
    protocol = PROTOCOLS[name]
    prompt = data.draw(st.sampled_from(protocol.smoke_rows(task).rows)).context
    text = data.draw(pieces(protocol, task))
    settled = (i for i in range(1, len(text) + 1) if protocol.settled(task, prompt + text[:i]))
    if (first := next(settled, 0)) and not protocol.settled(task, prompt):
        assert protocol.hint(text[:first][-HINT_CHARACTERS:])


@every_set
def test_an_answer_settles_some_text(name: str, task: str) -> None:
    """Else the two properties above would hold of nothing, where a board stops early at all."""
    protocol = PROTOCOLS[name]
    prompt = protocol.smoke_rows(task).rows[0].context
    texts = [prompt + answer + prompt + "x" for answer in protocol.answers(task) or ()]
    stops_early = not protocol.hint("")
    assert any(protocol.settled(task, text) for text in texts) or not stops_early


@every_read_set
@settings(deadline=None)
@given(data=st.data())
def test_an_answer_is_one_of_the_board_s(name: str, task: str, data: st.DataObject) -> None:
    protocol = PROTOCOLS[name]
    answers = protocol.answers(task)
    text = data.draw(pieces(protocol, task))
    if answers is not None:
        assert protocol.read(task, text, "").answer in answers


@every_set
def test_constants_and_measures_are_shares(name: str, task: str) -> None:
    protocol = PROTOCOLS[name]
    targets = [row.target for row in protocol.smoke_rows(task).rows]
    for value in protocol.constants(task, targets).values():
        assert 0 <= value <= 1
    perfect = protocol.measures(task, {(target, target): 1 for target in targets})
    assert all(value == 1 for value in perfect.values())


@every_set
def test_rows_of_another_set_are_refused(name: str, task: str, mirror: Path) -> None:
    """A file of another set of the board, under the name of this one."""
    pytest.importorskip("datasets")
    protocol, counted = PROTOCOLS[name], 0
    for item in load_challenge(name).evaluation:
        files = [mirror / "datasets" / item.dataset / file for file in item.files]
        if item.task == task or not all(file.is_file() for file in files):
            continue
        with pytest.raises(EvaluationError):
            protocol.rows(task, files)
        counted += 1
    if not counted:
        pytest.skip("no other set in the mirror")


@every_board
def test_the_smoke_corpus_misses_the_pins_of_the_training_set(name: str) -> None:
    """It has the columns of the training set, and cannot be taken for it."""
    protocol, dataset = PROTOCOLS[name], load_challenge(name).dataset
    rows = protocol.smoke_training()
    assert len(rows) == protocol.smoke_training_rows
    assert all(set(row) == set(dataset.columns) for row in rows)
    assert set(protocol.example_columns) <= set(dataset.columns)
    columns = {column: [row[column] for row in rows] for column in dataset.columns}
    assert training_faults(dataset, columns)


@every_board
def test_the_training_set_meets_its_pins(name: str, mirror: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    dataset = load_challenge(name).dataset
    files = list((mirror / "datasets" / dataset.name).rglob("*.parquet"))
    if not files:
        pytest.skip(f"no {dataset.name} in the mirror")
    table = parquet.read_table(files[0], columns=list(dataset.columns))
    columns = {column: table.column(column).to_pylist() for column in dataset.columns}
    if not isinstance(dataset.pin, TrainingPin):
        # The hub's rows are not known, only their number; a look-alike has another.
        assert sha256_file(files[0]) in dataset.pin.lookalikes
        assert len(training_faults(dataset, columns)) == 1
        return
    assert training_faults(dataset, columns) == []
    short = {column: values[:-1] for column, values in columns.items()}
    assert len(training_faults(dataset, short)) > 1


@pytest.mark.parametrize("name", board_names())
def test_published_runs_recompute(name: str, golden: Path, tmp_path: Path) -> None:
    """Of every board: a project's accuracy files are what its generations give."""
    reader, counted = reader_of(name), 0
    folder = golden.parent / name
    if not folder.is_dir():
        pytest.skip(f"no published runs of {name}")
    if not reader.rederivable:
        pytest.skip("programs are executed: tests/boards/execution and bench/execution.py")
    lines = (golden.parent / "EXPECTED.tsv").read_text("utf-8").splitlines()
    known = [line.split("\t") for line in lines if line.startswith(f"{name}\t")]
    expected = {(run, task): each for _, run, task, *each in known if each[-1][:3] == "rec"}
    for task in load_board(name).rows:
        pattern = reader.generations_file(task)
        for path in sorted(folder.rglob("*")):
            match = pattern and re.fullmatch(pattern, str(path).removesuffix(".gz"))
            if not match:
                continue
            unpacked = tmp_path / path.name.removesuffix(".gz")
            data = path.read_bytes()
            unpacked.write_bytes(gzip.decompress(data) if path.suffix == ".gz" else data)
            accuracy = next(
                other
                for other in path.parent.iterdir()
                if (found := re.fullmatch(reader.accuracy_file(task), str(other)))
                and found["run"] == match["run"]
            )
            stated = reader.stated_accuracy(task, accuracy.read_text())
            found = rescore(task, unpacked)
            assert repr(found["accuracy"]) == stated
            counted += 1
            if known:
                _, rows, hits, value, _ = expected.pop((path.parent.name, task))
                assert [rows, hits] == [str(found["examples"]), str(found["correct"])]
                assert value == stated
    assert counted
    assert not expected, "outputs are at hand and were not recomputed"


@pytest.mark.parametrize("name", board_names())
def test_every_published_accuracy_is_a_whole_number_of_rows(name: str, golden: Path) -> None:
    reader, counted = reader_of(name), 0
    for task, rows in load_board(name).rows.items():
        for path in sorted((golden.parent / name).rglob("*")):
            if re.fullmatch(reader.accuracy_file(task), str(path)):
                share = float(reader.stated_accuracy(task, path.read_text()) or "nan")
                assert share * rows == pytest.approx(round(share * rows))
                counted += 1
    if not counted:
        pytest.skip(f"no published runs of {name}")
