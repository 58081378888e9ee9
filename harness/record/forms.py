"""Older forms of records: which fields each lacks that were added since."""

from __future__ import annotations

RECORD_FORMS: dict[int, tuple[frozenset[str], ...]] = {}
"""Version of a record -> the sets of places that records of it lack; see `harness.document.exact`.
Tests read a record of every form: `tests/historic`."""

_ENERGY = frozenset({"energy"})
_ISOLATION = _ENERGY | {"isolation"}
_STARTUP = _ISOLATION | {"environment.startup_sha256"}
_HARNESS = _STARTUP | {"environment.harness", "environment.foreign_modules"}
_PROMPTS = frozenset(
    {
        "spec.train.data", "spec.train.prompt.style", "spec.train.prompt.system",
        "spec.train.prompt.user", "spec.train.step_schedule", "spec.train.warmup_steps",
    }
)  # fmt: skip
_PARTS = frozenset({"federation.rounds.message_bytes_down", "federation.rounds.message_bytes_up"})

_DEPENDENCE = _ISOLATION | {
    "federation.rounds.dependence", "federation.rounds.clients.influence",
    "federation.rounds.clients.trained_influence", "own_code",
}  # fmt: skip

RECORD_FORMS[1] = tuple(
    _DEPENDENCE | _HARNESS | more for more in (frozenset(), _PROMPTS, _PROMPTS | _PARTS)
)
RECORD_FORMS[2] = (_DEPENDENCE | _STARTUP, _DEPENDENCE, _ISOLATION, _ENERGY)
