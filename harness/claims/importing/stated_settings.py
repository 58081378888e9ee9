"""Settings and costs that a README lists in the template's words."""

from __future__ import annotations

import re

from harness.claims.importing.score_tables import FIGURE
from harness.claims.record import ClaimedConfig, ClaimedCosts, Quote

RUNTIME = re.compile(rf"({FIGURE})[ \t]*seconds[ \t]*\(([0-9]{{1,4}}:[0-9]{{2}}:[0-9]{{2}})\)")
PRICE = re.compile(rf"^\|.*\|[ \t]*\$({FIGURE})/hr[ \t]*\|[ \t]*$", re.MULTILINE)
PER_HOUR = re.compile(rf"\*\*\$({FIGURE})/hr\*\*")
TOTAL = re.compile(rf"simulation cost[\s*|]{{0,12}}\$({FIGURE})", re.IGNORECASE)
SETTINGS = {
    "rounds": re.compile(r"total number of rounds\**:[ \t*`]*([0-9]{1,6})", re.IGNORECASE),
    "fraction": re.compile(rf"fraction[ -](?:fit|train)[^:\n]{{0,20}}:[ \t*`]*({FIGURE})", re.I),
    "max_steps": re.compile(r"maximum number of steps\**:[ \t*`]*([0-9]{1,6})", re.IGNORECASE),
    "batch_size": re.compile(
        r"^[ \t]*[-*][ \t]+\**batch size\**:[ \t*`]*([0-9]{1,6})", re.I | re.M
    ),
    "rank": re.compile(r"rank \(r\)\**:[ \t*`]*([0-9]{1,6})", re.IGNORECASE),
    "alpha": re.compile(r"^[ \t]*[-*][ \t]+\**alpha\**:[ \t*`]*([0-9]{1,6})", re.I | re.M),
}
SCIENTIFIC = r"[0-9]{1,6}(?:\.[0-9]{1,6})?(?:e-?[0-9]{1,2})?"
RATES = {
    "learning_rate_max": re.compile(rf"maximum lr\**:[ \t*`]*({SCIENTIFIC})", re.IGNORECASE),
    "learning_rate_min": re.compile(rf"minimum lr\**:[ \t*`]*({SCIENTIFIC})", re.IGNORECASE),
}
MODEL_NAME = re.compile(r"for the \**([\w.-]{1,80}/[\w.-]{1,80})\** model", re.IGNORECASE)
TARGETS = re.compile(
    r"target modules\**:[ \t]*\n((?:[ \t]+[-*][ \t]+`[\w.-]{1,60}`,?[ \t]*\n){1,20})",
    re.IGNORECASE,
)
DORA = re.compile(r"\[DoRA\][^\n]{0,100}configuration|use_dora\s{0,5}=\s{0,5}True", re.IGNORECASE)
DATASET = re.compile(r"huggingface\.co/datasets/([\w.-]{1,80}/[\w.-]{1,80})")


def read_settings(text: str) -> ClaimedConfig:
    """Return the settings that a README lists in the template's words."""
    values: dict[str, object] = {}
    for name, expression in (SETTINGS | RATES).items():
        found = {match.group(1) for match in expression.finditer(text)}
        if len(found) == 1:
            number = float(found.pop())
            whole = name not in ("fraction", "learning_rate_max", "learning_rate_min")
            values[name] = int(number) if whole else number
    models = {match.group(1) for match in MODEL_NAME.finditer(text)}
    if len(models) == 1:
        values["model"] = models.pop()
    lists = {match.group(1) for match in TARGETS.finditer(text)}
    if len(lists) == 1:
        values["targets"] = tuple(re.findall(r"`([\w.-]+)`", lists.pop()))
    if DORA.search(text):
        values["dora"] = True
    datasets = set(DATASET.findall(text))
    if len(datasets) == 1:
        values["dataset"] = datasets.pop()
    return ClaimedConfig.model_validate(values)


def read_costs(text: str, file: str) -> ClaimedCosts:
    """Return runtime and prices, each where it stands once."""

    def once(matches: list[str], unit: str) -> Quote | None:
        return Quote(text=matches[0], unit=unit, file=file) if len(set(matches)) == 1 else None

    runtimes = list(dict.fromkeys(RUNTIME.findall(text)))
    per_hour = PER_HOUR.findall(text)
    items = PRICE.findall(text)
    single = len(runtimes) == 1
    return ClaimedCosts(
        seconds=Quote(text=runtimes[0][0], unit="s", file=file) if single else None,
        clock=Quote(text=runtimes[0][1], unit="h:mm:ss", file=file) if single else None,
        prices=tuple(Quote(text=value, unit="USD/h", file=file) for value in items[:20]),
        per_hour=once(per_hour, "USD/h"),
        total=once(TOTAL.findall(text), "USD"),
    )
