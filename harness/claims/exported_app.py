"""An app that `harness export` made: the spec that it holds says everything, so it is read first.

Its pyproject.toml repeats what the template has keys for, which is less than a run is: not the
modules that are adapted, nor the prompt. A run's own folder holds the same file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.boards.challenge import load_challenge
from harness.claims.record import ClaimedConfig
from harness.document import digest_of
from harness.document.exact import parse_exactly
from harness.document.reading import STRANGER, read_json
from harness.document.units import MIB
from harness.errors import HarnessError, RecordError
from harness.planning.recipe_files import plain_name, recipe_tree
from harness.recipe import FILE_PLUGIN, Recipe
from harness.record.file_names import SPEC
from harness.spec import RunSpec

MAX_SPEC_BYTES = MIB

OWNED = "challenge.json"
"""Lies beside an exported app's spec; a run's folder has the spec alone."""


def exported_spec(folder: Path, unread: list[str]) -> tuple[str, RunSpec] | None:
    """Return the spec of an exported app or of a run's folder, and its file; None without one.

    Args:
        folder: of the app or of the run.
        unread: collects why a file of that name is no spec.
    """
    inner = sorted(path.parent for path in folder.glob(f"*/{OWNED}"))
    places = [place for place in (folder, *inner) if (place / SPEC).is_file()]
    if len(places) != 1:
        return None
    where = (places[0] / SPEC).relative_to(folder).as_posix()
    try:
        value = read_json(places[0] / SPEC, MAX_SPEC_BYTES, STRANGER)
        spec = parse_exactly(RunSpec, value, where)
        load_challenge(spec.challenge.id)
    except HarnessError as error:
        unread.append(str(error) if isinstance(error, RecordError) else f"{where}: {error}")
        return None
    return where, spec


def settings_of_spec(spec: RunSpec) -> ClaimedConfig:
    """Return what a spec says of the settings that projects state."""
    train, params = spec.train, spec.peft.params
    rules = load_challenge(spec.challenge.id)
    targets = params.get("target_modules")
    return ClaimedConfig(
        model=spec.model.hub_id,
        dataset=rules.dataset.name,
        num_supernodes=rules.num_supernodes if spec.open is None else None,
        rounds=train.rounds,
        fraction=train.fraction,
        max_steps=train.max_steps,
        batch_size=train.batch_size,
        gradient_accumulation_steps=train.gradient_accumulation_steps,
        learning_rate_max=train.learning_rate_max,
        learning_rate_min=train.learning_rate_min,
        seq_length=train.seq_length,
        quantization=spec.model.weight_bits,
        rank=_whole(params.get("r")),
        alpha=_whole(params.get("alpha")),
        dora={"standard/dora": True, "standard/lora": False}.get(spec.peft.name),
        targets=tuple(map(str, targets)) if isinstance(targets, list | tuple) else None,
        optimizer=train.optimizer,
        strategy=spec.strategy.name[:80],
    )


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def recipe_of_spec(spec: RunSpec) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the recipe that gives a spec again, as a tree, and what is to be said of it.

    Args:
        spec: of an exported app or of a run.

    Returns:
        The fields of a `Recipe`; dotted path in it -> comment.
    """
    name = plain_name(spec.recipe)
    recipe = Recipe(
        name=name,
        title=f"{spec.label}, out of its spec",
        challenge=spec.challenge.id,
        model=spec.model.model_dump(mode="json"),
        peft=spec.peft,
        strategy=spec.strategy,
        train=spec.train,
        extensions=spec.extensions,
        price=spec.price,
        division=spec.division,
        **({} if spec.open is None else {"open": spec.open}),
    )
    fields = spec.model.model_dump(mode="json", exclude_defaults=True)
    words = ["--seed", str(spec.seed), "--device", spec.compute.device]
    words += ["--threads", str(spec.compute.threads)]
    if spec.evaluation_rows is not None:
        words += ["--limit", str(spec.evaluation_rows)]
    words += ["--smoke"] * spec.smoke
    differs = (
        "it has the same digest"
        if (spec.plugin, spec.recipe) == (FILE_PLUGIN, name)
        else f"it differs in where it came from alone, {FILE_PLUGIN}/{name} for {spec.label}"
    )
    said = (
        f"of the spec {digest_of(spec)[:16]}: planned with {' '.join(words)} {differs}, where the"
        " plugins have the same versions"
    )
    return recipe_tree(recipe, FILE_PLUGIN, fields), {"name": said}
