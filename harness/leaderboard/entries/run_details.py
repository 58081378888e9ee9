"""What the page of a verified run shows, taken from its record and the files beside it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from harness.boards.open_division import filed_under
from harness.codec.choice import described
from harness.document.units import how_many
from harness.leaderboard.entries.details import EntryDetails, EntryLink, Repetition, Sample
from harness.record.about import About, typed
from harness.record.card import component_text
from harness.record.file_names import RESULT
from harness.record.result import ResultRecord
from harness.spec import to_install
from harness.submissions.verdict import taken_as_stated
from harness.verify.report import shown
from harness.verify.submission import Submission

CURVE_POINTS = 60
"""Number of points that a loss curve is thinned to."""
SAMPLES = 3
"""Number of right answers, and of wrong ones, that are shown of each set."""
OUTPUT_CHARACTERS = 160
TEXT_CHARACTERS = 4_000
"""Longest text of a recipe that is shown, a prompt template for example."""

HUB = "https://huggingface.co"


def run_details(submission: Submission) -> EntryDetails:
    """Return what the page of a verified run shows beyond its line of the table."""
    record, about = submission.record, submission.about
    name = submission.folder.name if submission.folder is not None else record.run_id
    folder = filed_under(record.challenge.id, record.spec.open)
    rounds = record.federation.rounds
    return EntryDetails(
        rungs=submission.ladder,
        losses=_thinned([(r.round, r.train_loss) for r in rounds]),
        config=_config(record),
        texts=_texts(record),
        environment=_environment(record),
        digests={
            "spec": record.spec_digest,
            "adapter": record.adapter.sha256,
            "last round": rounds[-1].digest if rounds else "",
        },
        samples=tuple(_samples(submission)),
        author={}
        if about is None or about.author is None
        else about.author.model_dump(exclude_none=True),
        links=() if about is None else tuple(_links(about)),
        command="" if about is None or not about.command else typed(about.command),
        repetitions=tuple(_repetitions(submission, f"submissions/{folder}/{name}")),
        stated=taken_as_stated(submission),
        machine=_machine(record),
        files={file: size for file, (size, _) in sorted(submission.digests.items())},
    )


def _links(about: About) -> Iterator[EntryLink]:
    adapter = about.adapter
    if adapter is not None:
        yield EntryLink(
            what="adapter",
            text=f"{adapter.repository}@{adapter.revision}, {adapter.bytes:,} bytes,"
            f" sha256 {adapter.sha256[:16]}",
            url=f"{HUB}/{adapter.repository}/tree/{adapter.revision}",
        )
    for what, url in (("sources", about.code), ("paper", about.paper)):
        if url is not None:
            yield EntryLink(what=what, text=url, url=url)


def _repetitions(submission: Submission, place: str) -> Iterator[Repetition]:
    """Yield the commands by which an entry climbs, cheapest first."""
    record = submission.record
    path, timing = shlex.quote(place), record.timing
    rounds = record.federation.rounds
    installs, where = to_install(record.plugins)
    typed_there = " ".join(["tox -e repro --", f"{path}/{RESULT}", *installs])
    recorded = f"in the recorded versions: {typed_there}"
    needed = f"{where}{_needed(record)}"
    yield from _recounts(submission, path)
    weights = "adapter/adapter_model.safetensors" in submission.digests
    linked = submission.about is not None and submission.about.adapter is not None
    note = "the adapter lies in the folder" if weights else "the adapter is fetched and checked"
    yield Repetition(
        what="re-evaluate", earns="re-evaluated", seconds=timing.get("evaluate"),
        command=f"harness reproduce {path} --evaluation --write"
        + ("" if weights or linked else " --adapter DIR"),
        note=note if weights or linked else "its weights are nowhere: ask for them",
    )  # fmt: skip
    if rounds:
        yield Repetition(
            what="replay a round", earns="round-replayed", seconds=rounds[0].duration_s,
            command=f"harness reproduce {path} --round 1 --write",
            note=f"{recorded} --round 1 --write{needed}",
        )  # fmt: skip
    yield Repetition(
        what="run again", earns="re-run", seconds=sum(timing.values()),
        command=f"harness reproduce {path} --write",
        note=f"{recorded} --write{needed}",
    )  # fmt: skip


def _needed(record: ResultRecord) -> str:
    """Say which training files a reader has to have, since the hub has others; empty for none."""
    files = [
        f"datasets/{item.name}/{name} (sha256 {digest[:16]})"
        for item in record.data
        if item.kind == "training" and item.source == "mirror" and item.notes
        for name, digest in sorted(item.files.items())
    ]
    if not files:
        return ""
    return (
        "; it was trained on a file that is not the hub's: a mirror, which HARNESS_MIRROR names,"
        f" has to hold {', '.join(files)}"
    )


def _recounts(submission: Submission, path: str) -> Iterator[Repetition]:
    """Yield the commands that need neither model nor weights."""
    rederivable = submission.protocol.rederivable
    yield Repetition(
        what="recount", earns="rescored" if rederivable else "claimed", seconds=1.0,
        command=f"harness verify {path}",
        note="from the files alone: every rule, every score"
        if rederivable else "from the files alone: every rule; verdicts on programs as stated",
    )  # fmt: skip
    if not rederivable:
        board = submission.record.challenge.id
        yield Repetition(
            what="execute", earns="rescored", seconds=None,
            command=f"harness rescore {board} {path} --execute --write",
            note="every program with its official tests, in a sandbox",
        )  # fmt: skip
        return
    for task in submission.official:
        yield Repetition(
            what="recount", earns="rescored", seconds=1.0,
            command=f"harness rescore {task} {path}/generations/{task}.jsonl",
        )  # fmt: skip


def _machine(record: ResultRecord) -> str:
    device = record.environment.device
    return shown(
        f"{device.name}, {device.actors} at a time, {how_many(device.threads, 'thread')} each", 200
    )


def _texts(record: ResultRecord) -> dict[str, str]:
    """Return what training examples are made of; what a recipe leaves as it is, is left out."""
    prompt, data = record.spec.train.prompt, record.spec.train.data
    texts = {"system message": prompt.system, "user message": prompt.user}
    if prompt.style == "text":
        texts = {"prompt template": prompt.template, "response marker": prompt.response_marker}
    texts |= {
        "instruction": "" if data.instruction == "{instruction}" else data.instruction,
        "input": "" if data.input == "{input}" else data.input,
        "output": "" if data.output == "{output}" else data.output,
        "output mapping": "\n".join(f"{old} → {new}" for old, new in data.output_map.items()),
        "filters": "\n".join(
            f"rows whose {item.column} {'matches' if item.keep == 'matching' else 'does not match'}"
            f" {item.pattern}"
            for item in data.filters
        ),
    }
    return {
        name: "\n".join(shown(line, TEXT_CHARACTERS) for line in text.split("\n"))[:TEXT_CHARACTERS]
        for name, text in texts.items()
        if text
    }


def _thinned(points: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    step = -(-len(points) // CURVE_POINTS) or 1
    kept = points[::step]
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return tuple((number, round(loss, 4)) for number, loss in kept)


def _config(record: ResultRecord) -> dict[str, str]:
    spec, train = record.spec, record.spec.train
    values: dict[str, Any] = {
        "plugin": spec.label,
        "model": spec.model.hub_id,
        "base": f"{spec.model.quantization}, {spec.model.dtype}",
        "peft": component_text(spec.peft.name, spec.peft.params),
        "strategy": component_text(spec.strategy.name, spec.strategy.params),
        "rounds": train.rounds,
        "fraction": train.fraction,
        "steps": f"{train.max_steps} of {how_many(train.batch_size, 'example')}",
        "learning rate": f"{train.learning_rate_max:g} to {train.learning_rate_min:g},"
        f" {train.round_schedule}",
        "optimizer": train.optimizer,
        "sequence": f"{train.seq_length} tokens",
        "seed": spec.seed,
    }
    if train.codec is not None:
        values["codec"] = described(train.codec)
    if record.energy is not None:
        values["energy"] = record.energy.summary
    return {key: shown(str(value), 300) for key, value in values.items()}


def _environment(record: ResultRecord) -> dict[str, str]:
    environment, device = record.environment, record.environment.device
    values: dict[str, Any] = {
        "device": f"{device.kind}: {device.name}, {how_many(device.threads, 'thread')},"
        f" {how_many(device.actors, 'actor')}",
        "dtype": device.dtype,
        "python": environment.python,
        "platform": environment.platform,
        "plugin code": record.isolation.summary if record.isolation else "isolation not recorded",
        **dict(sorted(environment.packages.items())),
        "time": ", ".join(f"{k} {v:.0f} s" for k, v in record.timing.items()),
    }
    if record.cost is not None:
        values["cost"] = f"{record.cost.total:.2f} {record.cost.currency}"
    return {key: shown(str(value), 300) for key, value in values.items()}


def _samples(submission: Submission) -> Iterable[Sample]:
    for task in submission.official:
        item = submission.generations[task]
        left = {True: SAMPLES, False: SAMPLES}
        for index, (row, target, answer, output) in enumerate(
            zip(item.rows, item.targets, item.labels, item.outputs, strict=True)
        ):
            right = target == answer
            if left[right]:
                left[right] -= 1
                text = shown(output or "", OUTPUT_CHARACTERS)
                yield Sample(
                    task=task, index=index, row=row, target=target, answer=answer, output=text
                )
            if not any(left.values()):
                break
