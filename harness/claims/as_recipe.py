"""A claim becomes a recipe: what the project would be as a run of this harness.

Nothing is guessed in silence: a value that the project does not state, or states in two ways, has a
comment above it.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from harness.boards.board import Board, load_board
from harness.boards.challenge import InstructionSet, challenge_names, load_challenge
from harness.claims.record import ClaimedConfig, ClaimRecord
from harness.claims.settings import bare, same_setting, shown_setting
from harness.claims.traffic import model_of, named_targets
from harness.recipe import COMPONENT, Prompt, TrainSpec

TEMPLATE_DROPOUT = 0.075
"""`lora_dropout` in the template's models.py. Source: examples/flowertune-llm-*/models.py."""
TEMPLATE_RANK, TEMPLATE_ALPHA = 32, 64
"""Source: [tool.flwr.app.config] of examples/flowertune-llm-finance."""
STRATEGIES = {
    "fedavg": "fedavg", "fedprox": "fedprox", "fedavgm": "fedavgm", "fedadam": "fedadam",
    "fedyogi": "fedyogi", "fedadagrad": "fedadagrad", "qfedavg": "qfedavg",
    "fedmedian": "fedmedian", "fedtrimmedavg": "fedtrimmedavg", "krum": "krum",
    "multikrum": "multikrum", "flexlora": "flexlora", "scaffold": "scaffold", "flora": "flora",
}  # fmt: skip
"""Strategy as projects call it, lower case, letters and digits -> component of `standard`."""
TRAIN = (
    "rounds", "fraction", "max_steps", "batch_size", "gradient_accumulation_steps",
    "learning_rate_max", "learning_rate_min", "seq_length", "optimizer",
)  # fmt: skip
"""Settings of a claim that a recipe's training holds under the same name."""
QUANTIZATION = {4: "fp4", 8: "int8", 0: "none"}
"""Bits as the template writes them -> this harness's name. The template's 4 bits are fp4."""

Comments = dict[str, str]


def recipe_of_claim(claim: ClaimRecord) -> tuple[dict[str, Any], Comments]:
    """Return the recipe of a project's claim as a tree, and what is to be said of its values.

    Args:
        claim: as `import_project` reads it.

    Returns:
        The fields of a `Recipe`; dotted path in it -> comment.
    """
    board, config = load_board(claim.challenge), claim.config
    comments = differing(claim)
    tree: dict[str, Any] = {
        "name": _plain(claim.name),
        "title": f"{claim.name}: {config.model or 'model not stated'}, imported",
        "challenge": claim.challenge,
        "model": _model(claim, comments),
        "peft": {
            "name": "standard/dora" if config.dora else "standard/lora",
            "params": _adapter(claim, comments),
        },
        "strategy": {"name": _strategy(config, comments)},
        "train": _train(config, board, comments),
    }
    if config.dora is None:
        _say(comments, "peft.name", "LoRA or DoRA is not stated; LoRA is the template's")
    return tree, comments


def _say(comments: Comments, path: str, text: str) -> None:
    comments[path] = f"{comments[path]}; {text}" if path in comments else text


PATHS = {
    "model": "model", "rank": "peft.params.r", "alpha": "peft.params.alpha", "dora": "peft.name",
    "targets": "peft.params.target_modules", "dropout": "peft.params.dropout",
    "quantization": "model.quantization", "strategy": "strategy.name",
    **{name: f"train.{name}" for name in TRAIN},
}  # fmt: skip
"""Setting of a claim -> path in a recipe."""


def differing(claim: ClaimRecord) -> Comments:
    """Return a comment for each setting that two places of the project state differently."""
    comments = {}
    for field, path in PATHS.items():
        stated = [(s.where, getattr(s.values, field)) for s in claim.sources]
        stated = [(where, value) for where, value in stated if value is not None]
        if not all(same_setting(field, value, stated[0][1], claim) for _, value in stated):
            shown = "; ".join(f"{where}: {shown_setting(value)}" for where, value in stated)
            comments[path] = f"found in two versions: {shown}"[:600]
    return comments


def _model(claim: ClaimRecord, comments: Comments) -> Any:
    """Return the fields of a model whose shapes are known here, or its hub id."""
    name, known = claim.config.model, model_of(claim)
    if name is None and known is None:
        _say(comments, "model", "not stated; this is the template's")
        return "mistralai/Mistral-7B-v0.3"
    if known is None:
        _say(comments, "model", "its shapes are not known here: config.json is asked for them")
        if "/" not in str(name):
            _say(comments, "model", "the organisation is not stated; write organisation/model")
        return name
    stated = known.model_dump(mode="json", exclude_unset=True)
    hub_id = name if name is not None and "/" in name else known.hub_id
    fields = {k: v for k, v in stated.items() if k not in ("also", "default_targets", "hub_id")}
    model = {"name": _plain(hub_id.rsplit("/", 1)[-1]), "hub_id": hub_id} | {
        key: value for key, value in fields.items() if key != "name"
    }
    if "vocab" not in stated:
        model["vocab"] = known.vocab
        _say(comments, "model.vocab", "not known here; the forecast's base is too small by it")
    bits = claim.config.quantization
    if bits in QUANTIZATION:
        model["quantization"] = QUANTIZATION[bits]
    else:
        _say(comments, "model.quantization", "not stated; 4 bits (fp4) are the template's")
    return model


def _adapter(claim: ClaimRecord, comments: Comments) -> dict[str, Any]:
    config, known = claim.config, model_of(claim)
    values: dict[str, Any] = {}
    for field, name, template in (
        ("rank", "r", TEMPLATE_RANK),
        ("alpha", "alpha", TEMPLATE_ALPHA),
        ("dropout", "dropout", TEMPLATE_DROPOUT),
    ):
        value = getattr(config, field)
        if value is None:
            value = template
            _say(comments, f"peft.params.{name}", "not stated; this is the template's")
        values[name] = value
    path = "peft.params.target_modules"
    if config.targets is not None:
        names = named_targets(claim, config.targets)
        layers = {item.name.rpartition(".")[2] for item in known.linears()} if known else set(names)
        absent = [name for name in names if name not in layers]
        if absent:
            _say(comments, path, f"left out, the model has none: {', '.join(absent)}")
        values["target_modules"] = [name for name in names if name in layers]
    else:
        default = known.default_targets if known is not None else ()
        values["target_modules"] = list(default) or ["q_proj", "v_proj"]
        _say(comments, path, "not stated; peft's default for this architecture")
    return values


def _strategy(config: ClaimedConfig, comments: Comments) -> str:
    written = config.strategy
    found = None if written is None else STRATEGIES.get(bare(written))
    if written is not None and re.fullmatch(COMPONENT, written) and "/" in written:
        return written  # as this harness names it, in an app that it exported
    if written is None:
        _say(comments, "strategy.name", "not stated; FedAvg is the template's")
    elif found is None:
        _say(comments, "strategy.name", f"the project's is {written}, which is not known here")
    elif found in ("fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad"):
        _say(comments, "strategy.name", "its parameters were not read; these are Flower's defaults")
    return f"standard/{found or 'fedavg'}"


def _train(config: ClaimedConfig, board: Board, comments: Comments) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in TRAIN:
        value = getattr(config, field)
        path = f"train.{field}"
        if field == "optimizer" and value is not None:
            value = _optimizer(value, comments)
        if value is None:
            default = TrainSpec.model_fields[field].default
            _say(comments, path, f"not stated; the template's is {default}")
        else:
            values[field] = value
    template = _template(board)
    if template is not None and template != Prompt().template:
        values["prompt"] = {"template": template}
    _say(
        comments,
        "train.prompt",
        "the board's template; a prompt of the project's own in dataset.py is not read",
    )
    return values


def _optimizer(written: str, comments: Comments) -> str | None:
    for name in get_args(TrainSpec.model_fields["optimizer"].annotation):
        if name.replace("_", "") == bare(written):
            return str(name)
    _say(comments, "train.optimizer", f"the project's is {written}, which is not known here")
    return None


def _template(board: Board) -> str | None:
    """Return the board's own training prompt, where it can be run."""
    if board.id not in challenge_names():
        return None
    dataset = load_challenge(board.id).dataset
    return dataset.template if isinstance(dataset, InstructionSet) else None


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-") or "recipe"
