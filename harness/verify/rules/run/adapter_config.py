"""Rules on `adapter_config.json`: peft's settings are the spec's, and all others at rest.

A setting that the spec does not name could change the model that the adapter makes, so each must
have the value that leaves the method as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.recipe import Choice
from harness.record.file_names import ADAPTER_CONFIG_PATH
from harness.verify.independent.round_messages import growth
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

STANDARD = "standard/"
LORA_NAMES = {"r": "r", "lora_alpha": "alpha", "lora_dropout": "dropout"}
TIED: dict[str, dict[str, str]] = {
    "LORA": LORA_NAMES,
    "VERA": {
        "r": "r", "vera_dropout": "dropout", "d_initial": "d_initial",
        "projection_prng_key": "projection_key",
    },
    "LOHA": {"r": "r", "alpha": "alpha"},
    "LOKR": {"r": "r", "alpha": "alpha"},
    "IA3": {},
}  # fmt: skip
"""peft's type -> its settings by peft's name and ours."""

TYPES = {
    f"{STANDARD}{name}": kind
    for kind, names in {
        "LORA": ("lora", "dora", "rslora", "ffa-lora", "pissa", "olora"),
        "VERA": ("vera",),
        "LOHA": ("loha",),
        "LOKR": ("lokr",),
        "IA3": ("ia3",),
    }.items()
    for name in names
}
"""PEFT method -> peft's type."""

GROWING = ("r", "lora_alpha")
"""What a stack of factors multiplies."""

FED_FORWARD = "feedforward_modules"
"""IA3's part of the targets."""

AT_REST: dict[str, Any] = {
    "bias": "none", "inference_mode": True, "init_lora_weights": True, "init_weights": True,
    "init_ia3_weights": True, "megatron_core": "megatron.core", "qalora_group_size": 16,
    "decompose_factor": -1,
}  # fmt: skip
"""Values that change nothing. Source: peft 0.21 `LoraConfig`, `VeraConfig`, `LoHaConfig`,
`LoKrConfig`, `IA3Config`; every other setting rests at null, false or empty."""


def config(submission: Submission) -> Iterator[Breach]:
    """`adapter_config.json` says what the spec says."""
    found = submission.adapter_config
    if found is None:
        if submission.is_submission:
            yield "", "no adapter_config.json", "peft's configuration of the adapter, an object"
        return
    spec = submission.record.spec
    version = submission.record.environment.packages.get("peft")
    if "peft_version" in found and version is not None and found["peft_version"] != version:
        yield "peft_version", found["peft_version"], version
    grown = growth(spec, submission.challenge)
    yield from at_odds(found, spec.peft, spec.model.hub_id, grown)


def at_odds(
    found: Mapping[str, Any], peft: Choice, hub_id: str, grown: int = 1
) -> Iterator[Breach]:
    """Yield each setting of peft's configuration that is not what a recipe makes it.

    Args:
        found: peft's configuration of an adapter.
        peft: the PEFT method that made it, by its qualified name, with all its parameters.
        hub_id: of the base model.
        grown: how many times the recipe's rank the adapter has.
    """
    expected: dict[str, Any] = {
        "base_model_name_or_path": hub_id,
        "task_type": "CAUSAL_LM",
    }
    kind = TYPES.get(peft.name)
    if kind is not None:
        expected["peft_type"] = kind
    for theirs, ours in TIED.get(kind or str(found.get("peft_type")), {}).items():
        if ours in peft.params:
            value = peft.params[ours]
            grows = theirs in GROWING and type(value) is int
            expected[theirs] = value * grown if grows else value
    if kind == "LORA":
        expected["use_dora"] = peft.name == f"{STANDARD}dora"
        expected["use_rslora"] = peft.name == f"{STANDARD}rslora"
    for name, value in expected.items():
        if not _same(found.get(name), value):
            yield name, found.get(name), value
    yield from _targets(found, peft.params)
    if kind == "IA3":
        yield from _fed_forward(found, peft.params)
    if kind is not None:
        yield from _at_rest(found, expected)


def _same(found: object, expected: object) -> bool:
    """Compare settings with their types; an absent flag is false, and 8.0 is no rank."""
    if isinstance(expected, bool):
        return (found or False) is expected
    return type(found) is type(expected) and found == expected


def _targets(found: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Breach]:
    targets, expected = found.get("target_modules"), params.get("target_modules")
    if expected is None:
        return
    wanted = sorted(map(str, expected)) if isinstance(expected, list | tuple) else expected
    listed = sorted(map(str, targets)) if isinstance(targets, list) else targets
    if listed != wanted:
        yield "target_modules", listed, wanted


def _fed_forward(found: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Breach]:
    """IA3 scales what goes into these layers, and what comes out of the other targets."""
    targets, listed = params.get("target_modules", ()), found.get(FED_FORWARD)
    expected = sorted(name for name in params.get(FED_FORWARD, ()) if name in targets)
    if not isinstance(listed, list) or sorted(map(str, listed)) != expected:
        yield FED_FORWARD, listed, expected


def _at_rest(found: Mapping[str, Any], expected: dict[str, Any]) -> Iterator[Breach]:
    for name, value in found.items():
        if name in expected or name in ("target_modules", "peft_version"):
            continue
        if name == FED_FORWARD and expected["peft_type"] == "IA3":
            continue
        rest = AT_REST.get(name)
        if value not in (None, False, [], {}) and not _same(value, rest):
            yield name, value, f"{'null' if rest is None else rest}: the spec does not name it"


RULES = (
    Rule("adapter-config", "adapter_config.json is the spec's, and nothing else", "peft LoraConfig",
         config, file=ADAPTER_CONFIG_PATH),
)  # fmt: skip
