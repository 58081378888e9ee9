"""What people call a setting, the labels of lists and tables, and the values behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harness.claims.importing.readme.template_values import without_folders

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
OF_OTHERS = (
    r"(?![ \t]*(?:[×·*^]|x[ \t]?[0-9]|/[ \t]*[A-Za-z]|(?:rank|r)\b(?![ \t]*[:=])"
    r"|of[ \t]+[0-9]|on[ \t]+the\b|\((?:eval|evaluation|server|test)\b"
    r"|(?:h|hours?|min|minutes|s|seconds)\b))"
)
"""Not before what makes a value of a number and another, `2 * rank`, `2 x 8`, or one of something
else: `2 of 20`, `2 h`, `32 (evaluation)`."""
OTHER_LABEL = re.compile(
    r"(?:board|default|effective|eval|evaluation|every|mini|per|warm-?up|[0-9])[ \t]+$",
    re.IGNORECASE,
)
"""What stands before a label that is not the setting's: `Warm-up rounds`, `Leaderboard rank`."""
ALTERNATIVE = rf"[ \t]*(?:,|/|or|and|to|–|-|→|->)[ \t]*(?:{NUMBER})(?=[ \t]*(?:[).;,|]|$|or|and))"
LABELS: dict[str, str] = {
    "rank": (
        r"(?:(?:lo|do)ra[ _-]|peft[ _-])?rank(?: ?\(r\))?|(?:(?:lo|do)ra|peft[ _-]lora)[ _-]r|r"
        r"|rango?(?: (?:de )?lora)?|(?:lo|do)ra ?(?:秩|ランク|랭크)|秩|ランク|랭크"
    ),
    "alpha": r"(?:(?:lo|do)ra[ _-]|peft[ _-]lora[ _-])?al(?:ph|f)a(?: ?\([aα]\))?|α",
    "batch_size": (
        r"(?:per[ _-]device[ _-])?(?:local |client )?(?:train(?:ing)?[ _-])?batch[ _-]size"
        r"(?: per (?:device|gpu|client))?"
        r"|batch-?grö(?:ß|ss)e|tamaño de lote|tamanho d[oe] lote|taille d[eu] lots?"
        r"|批(?:处理|次|量)?大小|バッチサイズ|배치 ?크기"
    ),
    "max_steps": (
        r"(?:max(?:imum)?\.?[ _-]|local )(?:number of |local |training |train )?steps"
        r"(?: per (?:client|round))?"
    ),
    "gradient_accumulation_steps": r"(?:gradient[ _-])?accumulation(?:[ _-]steps)?",
    "rounds": (
        r"(?:total |number of |num[ _-])*(?:server[ _-]|training |federated |fl |global"
        r" |communication |aggregation )*rounds"
        r"|(?:anzahl (?:der )?)?runden|rundenzahl|(?:nombre de )?(?:tours|rounds)"
        r"|(?:número de )?(?:rondas|rodadas)|(?:联邦|服务器|通信|训练)?(?:轮数|轮次)"
        r"|ラウンド数?|라운드(?: ?수)?"
    ),
    "fraction": (
        r"(?:client |participation |sampling )?fraction(?:[ _-](?:fit|train)|"
        r" of (?:the )?clients)?(?: per round)?"
    ),
    "learning_rate_max": (
        r"(?:max(?:imum)?\.?|peak)[ _-](?:lr|learning[ _-]rate)|(?:lr|learning[ _-]rate)[ _-]max"
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
NOT_OF_A_ROUND = r"(?![ \t]*(?:per|a|each|every)[ \t]+round)"
PAIRS = {
    field: re.compile(
        rf"(?<![\w/.-])(?:{labels})(?![\w-])[ \t]*(?:[:=]|→)[ \t]*({NUMBER})"
        rf"(?![\w.]*[a-zA-Z0-9_]){OF_OTHERS}"
        rf"{NOT_OF_A_ROUND if field == 'num_supernodes' else ''}"
        rf"[ \t]*(%?)((?:{ALTERNATIVE}){{0,5}})",
        re.IGNORECASE,
    )
    for field, labels in LABELS.items()
}
LEARNING_RATE = re.compile(
    r"(?:^[ \t]*(?:[-*+][ \t]+)?|[,;(][ \t]*)(?:client |local )?"
    r"(?:learning[ _-]rate(?: ?\(lr\))?|lr|lernrate|taux d[’']apprentissage|tasa de aprendizaje"
    r"|taxa de aprendizado|学习率|学習率|학습률)"
    rf"[ \t]*[:=][ \t]*({NUMBER})(?![\w.]){OF_OTHERS}"
    rf"(?:[ \t]*(?:,|/|to|–|-|→|[-=]>)[ \t]*({NUMBER})(?![\w.]))?",
    re.IGNORECASE,
)
"""A learning rate that is constant, or the two between which it moves, whichever comes first."""
MODEL = re.compile(
    r"(?<![\w-])(?:base[ _-]?|foundation )?model(?:[ _.-]name)?[ \t]*[:=][ \t]*[\"']?\[?"
    r"([\w.-]{1,80}(?:/[\w.-]{1,80})?"
    r"(?:[ \t](?:v?[0-9][0-9.]{0,5}[BM]?|base|chat|coder|instruct|mini)"
    r"(?![\w%-]|[ \t]?[GMK]i?B\b)){0,4})",
    re.IGNORECASE,
)
"""A hub id, or its words: `SmolLM2 135M Instruct`."""
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
        for match in expression.finditer(line):
            if OTHER_LABEL.search(line[: match.start()]):
                continue
            first, percent, others = match.groups()
            if field == "fraction" and re.fullmatch(r"[ \t]*/[ \t]*[1-9][0-9]{0,11}", others):
                yield field, float(first) / float(others.strip(" \t/"))
                continue
            for written in (first, *re.findall(NUMBER, others)):
                value = value_of(written, field in WHOLE) / (100 if percent else 1)
                if field not in WHOLE:
                    yield field, value
                elif value.is_integer():
                    yield field, int(value)
    for match in LEARNING_RATE.finditer(line):
        rates = [value_of(written, whole=False) for written in match.groups() if written]
        yield "learning_rate_max", max(rates)
        if len(rates) > 1:
            yield "learning_rate_min", min(rates)
    for match in MODEL.finditer(line):
        name = "-".join(match.group(1).rstrip(".").split())
        if "/" in name or (re.search(r"\d", name) and not re.fullmatch(r"[\d.]+[BMbm]?", name)):
            yield "model", without_folders(name)
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
