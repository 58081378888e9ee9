"""The model card of a run: every number in it is derived from the record, none is typed."""

from __future__ import annotations

import re

from harness.boards.board import Board, load_board
from harness.boards.challenge import Challenge
from harness.codec.choice import described
from harness.document.markdown_table import markdown_table
from harness.document.units import MIB, how_many
from harness.progress import format_duration
from harness.record.about import typed
from harness.record.result import ResultRecord
from harness.record.score import Score

ADAPTER_HERE = '"adapter")  # this folder, or the hub repository'
"""Where the card of a run or a submission has the adapter from."""
MAPPED = 20
"""Most lines of a data set's mapping that a card shows; the record has all."""

FORMS = (3, 2, 1)
"""Forms of the card, newest first. The second said nothing of a codec, counted each message of
every run as a whole adapter by the older count, and said `1 rounds` and `1000 rounds`; the first
also said nothing of the prompt and of loading."""


def card(
    record: ResultRecord, challenge: Challenge, command: tuple[str, ...] = (), form: int = FORMS[0]
) -> str:
    """Return the card as Markdown with the hub's YAML header.

    Args:
        record: the run.
        challenge: its rules.
        command: what was typed, one argument each; empty for a run that did not keep it.
        form: one of FORMS; a submission's card is held against each of them.
    """
    later = [] if form == 1 else ["## Prompt\n\n" + _prompt(record), "## Use\n\n" + _use(record)]
    intro = _intro(record, challenge, command, form)
    sections = [
        _header(record),
        f"# {record.spec.model.name} on {challenge.title}\n\n{intro}",
        "## Result\n\n" + _scores(record, challenge),
        "![Training loss](loss.png)",
        *later,
        "## Method\n\n" + _method(record, challenge, form),
        "## Communication\n\n" + _communication(record, form),
        "## Runtime and cost\n\n" + _runtime(record),
        "## Data and software\n\n" + _data(record),
    ]
    return "\n\n".join(sections) + "\n"


def _header(record: ResultRecord) -> str:
    model = record.spec.model
    lines = [
        "---",
        "library_name: peft",
        f"base_model: {model.hub_id}",
        "pipeline_tag: text-generation",
        "tags: [flower, federated-learning, flowertune]",
    ]
    if model.licence:
        lines.append(f"license: {model.licence}")
    return "\n".join([*lines, "---"])


def _intro(record: ResultRecord, challenge: Challenge, command: tuple[str, ...], form: int) -> str:
    spec, rounds = record.spec, record.federation.rounds
    counts = ((len(rounds), "round"), (len(rounds[0].partitions), "client"))
    trained = " of ".join(
        how_many(*count) if form > 2 else f"{count[0]} {count[1]}s" for count in counts
    )
    text = (
        f"A {spec.peft.name.rpartition('/')[2]} adapter for `{spec.model.hub_id}`, trained with"
        f" {spec.strategy.name.rpartition('/')[2]} over {challenge.num_supernodes} supernodes in"
        f" {trained} with Flower, measured by flowertune-harness from {_command(record, command)}."
    )
    if record.eligible:
        return text + "\n\n**Eligible for the leaderboard.**"
    if record.spec.smoke and form > 1:
        return f"{text}\n\n**A smoke run: it shows that everything works, and ranks nowhere.**"
    reasons = "\n".join(f"- {reason}" for reason in record.ineligible_because)
    return f"{text}\n\n**Not eligible for the leaderboard:**\n\n{reasons}"


def _command(record: ResultRecord, command: tuple[str, ...]) -> str:
    spec = record.spec
    smoke = ("--smoke",) if spec.smoke else ()
    short = ("harness", "run", *spec.asked_by, *smoke, "--seed", str(spec.seed))
    text = typed(command or short)
    return f"{_fence(text)} {text} {_fence(text)}" if "`" in text else f"`{text}`"


def _fence(text: str, least: int = 1) -> str:
    """Return a fence longer than any run of backticks inside: code ends where it should end."""
    return "`" * max(least, 1 + max((len(run) for run in re.findall("`+", text)), default=0))


def _block(text: str, language: str = "text") -> str:
    fence = _fence(text, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _prompt(record: ResultRecord) -> str:
    """Return what a client was trained on: the prompt, and how the data set's rows became it."""
    prompt, data = record.spec.train.prompt, record.spec.train.data
    if prompt.style == "text":
        how = "Examples are this text; the loss starts after the response marker."
        text = f"{prompt.template}\n\nresponse marker: {prompt.response_marker!r}"
    else:
        how = "Examples are in the tokenizer's chat template; the loss is on the response."
        text = f"system: {prompt.system!r}\nuser: {prompt.user!r}"
    lines = [f"{before!r} becomes {after!r}" for before, after in data.output_map.items()]
    for item in data.filters:
        verb = "matches" if item.keep == "matching" else "does not match"
        lines.append(f"a row is kept where {item.column} {verb} {item.pattern!r}")
    templates = {name: getattr(data, name) for name in ("instruction", "input", "output")}
    lines += [f"{name} is {form!r}" for name, form in templates.items() if form != f"{{{name}}}"]
    left = len(lines) - MAPPED
    mapped = lines[:MAPPED] + ([f"and {left} more, in result.json"] if left > 0 else [])
    said = "Rows and outputs are the data set's own." if not mapped else "Rows before the prompt:"
    return "\n\n".join([how, _block(text), said, *([_block("\n".join(mapped))] if mapped else [])])


def card_in_repository(text: str, repository: str) -> str:
    """Return a run's card as it stands in a repository, which has no folder of the adapter."""
    return text.replace(ADAPTER_HERE, f'"{repository}")')


def _use(record: ResultRecord) -> str:
    model = record.spec.model
    which = f'"{model.hub_id}", revision="{model.revision}"'
    lines = [
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"base = AutoModelForCausalLM.from_pretrained({which})",
        f"model = PeftModel.from_pretrained(base, {ADAPTER_HERE}",
        f"tokenizer = AutoTokenizer.from_pretrained({which})",
    ]
    return _block("\n".join(lines), "python")


def _scores(record: ResultRecord, challenge: Challenge) -> str:
    board = load_board(challenge.id)
    titles = {item.task: item.title for item in challenge.evaluation}
    rows = [_score_row(item, titles, board) for item in record.scores]
    measures = [item.heading for item in board.measures]
    average = f"**{100 * record.average:.2f} %**"
    rows.append(["**Average**", board.metric, average, "", *("" for _ in measures), ""])
    head = ["set", "measure", "score", "95 % interval", *measures, "rows"]
    return markdown_table(rows, head)


def _score_row(item: Score, titles: dict[str, str], board: Board) -> list[str]:
    low, high = item.interval
    second = board.second.heading if board.second is not None else item.metric
    return [
        titles.get(item.task, item.task),
        board.metric if item.metric == "accuracy" else second,
        f"{100 * item.value:.2f} %",
        f"{100 * low:.2f} to {100 * high:.2f} %",
        *(_measure(item.measures[each.name], each.percent) for each in board.measures),
        f"{item.examples:,}",
    ]


def _measure(value: float | None, percent: bool) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f} %" if percent else f"{value:.3f}"


def _method(record: ResultRecord, challenge: Challenge, form: int) -> str:
    spec, train = record.spec, record.spec.train
    rows = [
        ("base model", f"{spec.model.hub_id}, {spec.model.quantization}, compute in"
                       f" {record.environment.device.dtype}"),
        ("PEFT method", component_text(spec.peft.name, spec.peft.params)),
        ("strategy", component_text(spec.strategy.name, spec.strategy.params)),
        ("supernodes", f"{challenge.num_supernodes}, {challenge.partitioner.kind} partitions"),
        ("rounds", f"{train.rounds}, fraction {train.fraction}"),
        ("local training", f"{train.max_steps} steps of {train.batch_size} examples,"
                           f" at most {train.seq_length} tokens, {train.optimizer}"),
        ("learning rate", f"{train.learning_rate_max:g} to {train.learning_rate_min:g},"
                          f" {train.round_schedule} over rounds"),
        ("trainable parameters", f"{record.adapter.parameters:,}"),
        *((f"{kind} of its own", component_text(item.name, item.params))
          for kind, item in spec.extensions.components.items()),
        *([("codec", described(train.codec))] if train.codec is not None and form > 2 else []),
        *_warm_start(record),
        *([] if spec.open is None else [("open division", f"changes {spec.open.described()}")]),
        ("seed", str(spec.seed)),
        *([] if record.own_code is None else [("code that ran", record.code)]),
    ]  # fmt: skip
    return markdown_table(rows, ["", "value"])


def _warm_start(record: ResultRecord) -> list[tuple[str, str]]:
    warm = record.spec.extensions.warm_start
    if warm is None:
        return []
    size = next((item.bytes for item in record.data if item.kind == "adapter"), None)
    return [("starts from", f"{warm.adapter}, {size or 0:,} bytes, sha256 {warm.sha256[:16]}")]


def component_text(name: str, params: dict[str, object]) -> str:
    """Return a component with its parameters: `standard/dora(r=8, alpha=16)`."""
    values = ", ".join(f"{key}={value}" for key, value in params.items())
    return f"{name}({values})"


def _communication(record: ResultRecord, form: int) -> str:
    traffic = record.communication
    messages = sum(2 * len(item.partitions) for item in record.federation.rounds)
    text = (
        f"{traffic.bytes_total / MIB:,.2f} MiB in {messages} messages, of"
        f" {traffic.limit_bytes / MIB:,.0f} MiB allowed"
    )
    whole_adapters = traffic.bytes_total == messages * traffic.message_bytes
    if whole_adapters or form < 3:
        older = messages * traffic.message_bytes_legacy / MIB
        text += f" ({older:,.2f} MiB by the count that published entries before 2025-09-17 used)"
    return f"{text}."


def _runtime(record: ResultRecord) -> str:
    total_s = sum(record.timing.values())
    stages = ", ".join(f"{name} {format_duration(value)}" for name, value in record.timing.items())
    device = record.environment.device
    text = f"{format_duration(total_s)} ({total_s:,.1f} s) on {device.name}: {stages}."
    if record.cost is not None:
        item = record.cost
        text += f" At {item.per_hour:.4f} {item.currency}/h: {item.total:.4f} {item.currency}."
    if record.energy is not None:
        text += f" Energy of the machine meanwhile: {record.energy.summary}."
    if record.isolation is not None:
        text += f" Plugin code ran {record.isolation.summary}."
    return text


def _data(record: ResultRecord) -> str:
    packages = record.environment.packages
    rows = [[item.name, item.source, item.revision, item.sha256[:16]] for item in record.data]
    rows += [[name, "package", version, ""] for name, version in packages.items()]
    head = ["name", "from", "revision", "sha256"]
    return markdown_table(rows, head)
