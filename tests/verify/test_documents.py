"""The documents say what the code does: every rule is listed, every field is named.

`python tests/verify/test_documents.py --write` writes the rule table into docs/submitting.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from harness.record.ladder import COMMANDS, LEVELS
from harness.record.result import ResultRecord
from harness.submissions.check import EVERY_RULE

DOCS = Path(__file__).resolve().parents[2] / "docs"
TABLE = re.compile(r"(<!-- rules: .*? -->\n).*?(<!-- end of rules -->)", re.DOTALL)


def rule_table() -> str:
    lines = ["| rule | what holds | source |", "|---|---|---|"]
    lines += [f"| `{rule.id}` | {rule.title} | {rule.source} |" for rule in EVERY_RULE]
    return "\n".join(lines) + "\n"


def test_the_rule_table_is_current() -> None:
    match = TABLE.search((DOCS / "submitting.md").read_text())
    assert match is not None
    assert match.group(0) == f"{match.group(1)}{rule_table()}{match.group(2)}"


def test_every_field_of_the_record_is_explained() -> None:
    text = (DOCS / "result-format.md").read_text()
    for name, field in ResultRecord.model_fields.items():
        assert f"`{field.alias or name}`" in text


def test_every_level_names_its_command() -> None:
    text = (DOCS / "submitting.md").read_text()
    for level in LEVELS:
        line = next(line for line in text.split("\n") if line.startswith(f"| {level} |"))
        assert COMMANDS.get(level, "harness import") in line


if __name__ == "__main__" and "--write" in sys.argv:
    path = DOCS / "submitting.md"
    path.write_text(
        TABLE.sub(lambda m: f"{m.group(1)}{rule_table()}{m.group(2)}", path.read_text())
    )
