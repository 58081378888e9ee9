"""Write the table of docs/trust.md out of the cheats: python tests/cheats/trust_table.py"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import in_plugins  # noqa: F401  # each adds its cheats, in this order
import in_records  # noqa: F401
import in_surroundings  # noqa: F401
import unseen  # noqa: F401
from cheat import CHEATS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "trust.md"
MARKS = "<!-- {} of the generated table -->"
ORDER = ("plan", "run", "verify", "re-evaluation", "repetition", "nothing")


def table() -> str:
    """Return the table, by rung."""
    counts = Counter(item.caught_by for item in CHEATS)
    summary = ", ".join(f"{counts[rung]} by {rung}" for rung in ORDER)
    lines = [f"{len(CHEATS)} cheats: {summary}.", ""]
    lines += ["| cheat | how | caught by | it says | costs a cheater |", "|---|---|---|---|---|"]
    for rung in ORDER:
        for item in CHEATS:
            if item.caught_by == rung:
                says = f"`{item.says}`" if item.says else ""
                lines.append(f"| {item.name} | {item.how} | {rung} | {says} | {item.costs} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """Return a page's text with the table as it is now."""
    begin, end = MARKS.format("begin"), MARKS.format("end")
    pattern = f"{re.escape(begin)}.*{re.escape(end)}"
    return re.sub(pattern, lambda _: f"{begin}\n\n{table()}\n\n{end}", text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
