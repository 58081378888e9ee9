"""Runtime, prices and costs that a README states."""

from __future__ import annotations

import re

from harness.claims.importing.readme.score_tables import FIGURE
from harness.claims.record import ClaimedCosts, Quote

RUNTIME = re.compile(rf"({FIGURE})[ \t]*seconds[ \t]*\(([0-9]{{1,4}}:[0-9]{{2}}:[0-9]{{2}})\)")
PRICE = re.compile(rf"^\|[^\n]{{0,400}}\|[ \t]*\$({FIGURE})/hr[ \t]*\|[ \t]*$", re.MULTILINE)
PER_HOUR = re.compile(rf"\*\*\$({FIGURE})/hr\*\*")
TOTAL = re.compile(rf"simulation cost[\s*|]{{0,12}}\$({FIGURE})", re.IGNORECASE)


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
