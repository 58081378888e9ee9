"""What people call a setting: labels of lists and tables, the template's keys, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.boards.template_keys import TEMPLATE_KEYS
from harness.claims.record import ClaimedConfig

NUMBER = (
    r"[0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{1,12})?(?![0-9,])|[0-9]{1,12},[0-9]{1,12}(?![0-9,])"
    r"|[0-9]{1,12}(?:\.[0-9]{1,12})?(?:[eE][-+]?[0-9]{1,2})?"
)
"""A value as people write it: 16, 5e-5, 1,000 and 0,075."""
POWER = re.compile(
    r"(?<=[0-9])[ \t]*(?:[×·*x]|\\times)[ \t]*10(?:\^\{?|\*\*)?([-−⁻]?[0-9⁰¹²³⁴-⁹]{1,2})\}?"
)
"""What stands for `e-5` where powers are written out: `× 10⁻⁵`, `*10^-5`."""
SUPERSCRIPT = str.maketrans("⁻−⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")
OF_OTHERS = r"(?![ \t]*(?:[×·*^]|x[ \t]?[0-9]|/[ \t]*[A-Za-z]|(?:rank|r)\b(?![ \t]*[:=])))"
"""Not before what makes a value of a number and another: `2 * rank`, `2 x 8`."""
ALTERNATIVE = rf"[ \t]*(?:,|/|or|and|to|–|-|→|->)[ \t]*(?:{NUMBER})(?=[ \t]*(?:[).;,|]|$|or|and))"
LABELS: dict[str, str] = {
    "rank": (
        r"(?:(?:lo|do)ra[ _-]|peft[ _-])?rank(?: ?\(r\))?|(?:(?:lo|do)ra|peft[ _-]lora)[ _-]r|r"
    ),
    "alpha": r"(?:(?:lo|do)ra[ _-]|peft[ _-]lora[ _-])?alpha(?: ?\([aα]\))?|α",
    "batch_size": (
        r"(?:per[ _-]device[ _-])?(?:local |client )?(?:train(?:ing)?[ _-])?batch[ _-]size"
        r"(?: per (?:device|gpu|client))?"
    ),
    "max_steps": r"(?:max(?:imum)?\.?[ _-])(?:number of |local |training |train )?steps",
    "gradient_accumulation_steps": r"(?:gradient[ _-])?accumulation(?:[ _-]steps)?",
    "rounds": (
        r"(?:total |number of |num[ _-])*(?:server[ _-]|training |federated |fl |global"
        r" |communication |aggregation )*rounds"
    ),
    "fraction": (
        r"(?:client |participation |sampling )?fraction(?:[ _-](?:fit|train)|"
        r" of (?:the )?clients)?(?: per round)?"
    ),
    "learning_rate_max": (
        r"max(?:imum)?\.?[ _-](?:lr|learning[ _-]rate)|(?:lr|learning[ _-]rate)[ _-]max"
    ),
    "learning_rate_min": (
        r"min(?:imum)?\.?[ _-](?:lr|learning[ _-]rate)|(?:lr|learning[ _-]rate)[ _-]min"
    ),
    "dropout": r"(?:(?:lo|do)ra[ _-])?dropout",
    "seq_length": r"(?:max(?:imum)?[ _-])?seq(?:uence)?[ _-]len(?:gth)?",
    "num_supernodes": (
        r"(?:total |number of |num[ _-])*(?:supernodes|partitions)|total (?:number of )?clients"
    ),
}
"""Setting -> regular expression of its labels in lists and tables, any case."""

WHOLE = LABELS.keys() - {"fraction", "learning_rate_max", "learning_rate_min", "dropout"}
NOT_BEFORE = r"(?<![\w/.-])(?<!effective )(?<!evaluation )(?<!eval )(?<!every )(?<!mini)"
PAIRS = {
    field: re.compile(
        rf"{NOT_BEFORE}(?:{labels})(?![\w-])[ \t]*(?:[:=]|→)[ \t]*({NUMBER})"
        rf"(?![\w.]*[a-zA-Z0-9_]){OF_OTHERS}[ \t]*(%?)((?:{ALTERNATIVE}){{0,5}})",
        re.IGNORECASE,
    )
    for field, labels in LABELS.items()
}
MODEL = re.compile(
    r"(?<![\w-])(?:base[ _-]?|foundation )?model(?:[ _.-]name)?[ \t]*[:=][ \t]*[\"']?\[?"
    r"([\w.-]{1,80}(?:/[\w.-]{1,80})?)",
    re.IGNORECASE,
)
BITS = re.compile(
    r"(?<![\w-])quanti[sz]ation(?: level| bits)?[ \t]*[:=][ \t]*"
    r"(?:(4|8)[ -]?bits?|(4|8|0)(?![\w.-]))",
    re.IGNORECASE,
)
OPTIMIZER = re.compile(r"(?<![\w-])optimi[sz]er[ \t]*[:=][ \t]*([A-Za-z][\w -]{1,40})", re.I)
TARGETS = re.compile(
    r"target[ _-]modules[ \t]*[:=][ \t]*\[?"
    r"((?:[\"']?[a-z][a-z0-9_]{0,40}[\"']?(?:[ \t]*(?:,|and)[ \t]*)?){1,20})",
    re.IGNORECASE,
)
STRATEGY = re.compile(
    r"(?<![\w-])(?:strategy|aggregation(?: (?:method|strategy|algorithm))?)[ \t]*[:=][ \t]*"
    r"((?-i:[a-z0-9][a-z0-9.-]{0,30}/)?[A-Za-z][\w-]{2,30})(?![\w/-])(?![ \t]+[\w(]*[A-Za-z])",
    re.IGNORECASE,
)
LAYER = re.compile(
    r"[a-z0-9]+(?:_[a-z0-9]+)*_proj|c_fc|c_proj|c_attn|query_key_value|all-linear|all"
)


def pairs_in(line: str) -> Iterator[tuple[str, Any]]:
    """Yield (setting, value) of each `label: value` in a line without Markdown's marks.

    A line may hold many: `LoRA: Rank (r): 8, Alpha: 32`. Of `Rank: 16 or 32` both are yielded.
    """
    line = POWER.sub(lambda power: f"e{power[1].translate(SUPERSCRIPT)}", line)
    for field, expression in PAIRS.items():
        for first, percent, others in expression.findall(line):
            if field == "fraction" and re.fullmatch(r"[ \t]*/[ \t]*[1-9][0-9]{0,11}", others):
                yield field, float(first) / float(others.strip(" \t/"))
                continue
            for written in (first, *re.findall(NUMBER, others)):
                value = value_of(written, field in WHOLE) / (100 if percent else 1)
                if field not in WHOLE:
                    yield field, value
                elif value.is_integer():
                    yield field, int(value)
    for match in MODEL.finditer(line):
        if "/" in match.group(1) or re.search(r"\d", match.group(1)):
            yield "model", without_folders(match.group(1))
    for match in BITS.finditer(line):
        yield "quantization", int(match.group(1) or match.group(2))
    for match in OPTIMIZER.finditer(line):
        yield "optimizer", match.group(1).strip()
    for match in STRATEGY.finditer(line):
        yield "strategy", match.group(1)
    for match in TARGETS.finditer(line):
        names = LAYER.findall(match.group(1))
        if names:
            yield "targets", tuple(dict.fromkeys(names))


def value_of(written: str, whole: bool) -> float:
    """Return what a `NUMBER` is: `1,000` rounds are a thousand, a dropout of `0,075` is below 1.

    Args:
        written: as it stands.
        whole: whether a whole number is meant, so that a comma before three digits (and a point
            after whole thousands, `1.000`) sets them apart.
    """
    thousands = (
        r"[1-9][0-9]{0,2}(?:[,.][0-9]{3})+" if whole else r"[1-9][0-9]{0,2}(?:,[0-9]{3}){2,}"
    )
    if re.fullmatch(thousands, written):
        return float(re.sub("[,.]", "", written))
    return float(written.replace(",", "" if "." in written else "."))


def without_folders(text: str) -> str:
    """Return the last part of a path of somebody's machine; a hub id stays what it is.

    A folder of the hub's cache is its model: `~/.cache/.../models--OWNER--NAME/snapshots/...`.
    """
    cached = re.search(r"(?:models|datasets)--([\w.-]{1,80}?)--([\w.-]{1,80})", text)
    if cached is not None:
        return f"{cached[1]}/{cached[2]}"
    local = text.startswith(("/", "~", "./", "../", "\\", "file:")) or re.match(
        r"[A-Za-z]:[\\/]", text
    )
    return re.split(r"[\\/]", text.rstrip("\\/"))[-1] if local else text


ACCEPTED_TYPES: Mapping[str, tuple[type, ...]] = {
    "model": (str,), "dataset": (str,), "optimizer": (str,), "dora": (bool,),
    "targets": (list, str), "fraction": (int, float), "learning_rate_max": (int, float),
    "learning_rate_min": (int, float), "dropout": (int, float), "strategy": (str,),
}  # fmt: skip
"""Field of a claim -> types of value that are taken; a field not listed is a whole number."""


def typed(field: str, value: Any) -> Any:
    """Return a parsed value as a claim holds it, or None where it can be no value of the field."""
    if isinstance(value, bool) is not (field == "dora"):
        return None
    if not isinstance(value, ACCEPTED_TYPES.get(field, (int,))):
        return None
    if isinstance(value, int | float) and not abs(value) < 2**53:
        return None  # NaN and the infinite included.
    if isinstance(value, list) or field == "targets":
        names: list[Any] = value if isinstance(value, list) else str(value).split(",")
        return tuple(printable(str(item)).strip()[:80] for item in names[:50])
    return without_folders(printable(value))[:200] if isinstance(value, str) else value


def printable(text: str) -> str:
    """Return text without what no document can hold: lone surrogates become U+FFFD."""
    return text.encode("utf-8", "replace").decode("utf-8")


def flatten(table: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Return dotted key -> value of nested tables; `_` in a key is read as `-`."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}".replace("_", "-")
        if isinstance(value, dict) and depth < 10:
            flat |= flatten(value, f"{name}.", depth + 1)
        else:
            flat[name] = value
    return flat


def supernodes_in(federations: Mapping[str, Any]) -> int | None:
    """Return the number of supernodes that federations state: all of them, or the default one.

    Args:
        federations: dotted key -> value: `local-simulation.options.num-supernodes` -> 20.
    """
    counts = {
        key: value
        for key, value in federations.items()
        if key.endswith("options.num-supernodes") and type(value) is int and abs(value) < 2**53
    }
    chosen = counts.get(f"{federations.get('default')}.options.num-supernodes")
    several = set(counts.values())
    return several.pop() if len(several) == 1 else chosen


def from_keys(flat: Mapping[str, Any], odd: Callable[[str, Any], None]) -> ClaimedConfig:
    """Return the settings that stand under the template's keys.

    Args:
        flat: dotted key -> value.
        odd: told the key and value of what can be no value of its setting.
    """
    values: dict[str, Any] = {}
    for field in ClaimedConfig.model_fields:
        for key in TEMPLATE_KEYS.get(field, ()):
            if key in flat and field not in values:
                value = typed(field, flat[key])
                if value is None:
                    odd(key, flat[key])
                else:
                    values[field] = value
            elif key in flat and typed(field, flat[key]) != values[field]:
                odd(key, flat[key])
    if "strategy.fraction-train" in flat:
        values["api"] = "message"
    elif "strategy.fraction-fit" in flat:
        values["api"] = "legacy"
    return ClaimedConfig(**values)
