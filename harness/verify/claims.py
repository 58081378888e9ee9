"""Checking a claimed record: what an imported project says of itself."""

from __future__ import annotations

from collections.abc import Iterator

from harness.verify.finding import Finding
from harness.verify.targets import Target


def check_claim(target: Target) -> Iterator[Finding]:
    """Yield the findings of a claim."""
    yield Finding(
        rule="claim",
        severity="error",
        path=target.name,
        found="a claimed record",
        expected="a result; this version reads no claims yet",
    )
