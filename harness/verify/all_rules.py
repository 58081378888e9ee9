"""All rules in one table: what `harness verify --rules` lists and `docs/submitting.md` shows."""

from __future__ import annotations

from collections.abc import Iterator

from harness.verify.files import layout
from harness.verify.rule import Breach, Rule
from harness.verify.rules.entry import eligibility, evidence, ladder, presentation
from harness.verify.rules.evaluation import answers, leaks, scores
from harness.verify.rules.run import (
    adapter,
    adapter_config,
    data,
    digests,
    environment,
    federation,
    times_and_costs,
    traffic,
)
from harness.verify.submission import Subject


def _while_reading(subject: Subject) -> Iterator[Breach]:
    """Rules of this kind are applied while the files are read; see `harness.submissions.check`."""
    return iter(())


READING_RULES = (
    Rule("plain-files", "Files are plain files, never links", "harness submission format",
         _while_reading, file=""),
    Rule("known-files", "Only files that submit writes", "harness submission format",
         _while_reading, file=""),
    Rule("file-size", "Files have bounded sizes", "harness submission format",
         _while_reading, file=""),
    Rule("readable", "Files are strict UTF-8 JSON with harmless values", "RFC 8259, RFC 3629",
         _while_reading, file=""),
    Rule("schema", "The record has the fields of its schema version",
         "leaderboard/result.schema.json", _while_reading),
)  # fmt: skip

RECORD_RULES = (
    *digests.RULES,
    *federation.RULES,
    *traffic.RULES,
    *adapter.RULES,
    *adapter_config.RULES,
    *scores.RULES,
    *answers.RULES,
    *leaks.RULES,
    *times_and_costs.RULES,
    *environment.RULES,
    *data.RULES,
    *eligibility.RULES,
    *layout.RULES,
    *presentation.RULES,
    *ladder.RULES,
    *evidence.RULES,
)

RULES = (*READING_RULES, *RECORD_RULES)
BY_ID = {rule.id: rule for rule in RULES}
