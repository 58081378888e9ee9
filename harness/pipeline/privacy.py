"""What a run of a differentially private strategy leaks of one client, by Flower's accountant."""

from __future__ import annotations

from collections.abc import Sequence

from harness.document.units import how_many
from harness.errors import how_to_install
from harness.library_internals.flower import rdp_epsilon
from harness.record.federation import DP_DELTA, PrivacyRecord, effective_multiplier
from harness.spec import RunSpec

PRIVATE = ("standard/dp-server-side", "standard/dp-client-side")
"""Strategies whose aggregates are noised means of clipped updates, with `noise_multiplier` z."""


def privacy_of(
    spec: RunSpec, examples: Sequence[Sequence[int]], clients: int
) -> PrivacyRecord | None:
    """Return the privacy record of a run; None where its strategy promises none.

    Args:
        spec: the run.
        examples: of the clients of each round; of a plan, those that are expected.
        clients: all supernodes.
    """
    if spec.strategy.name not in PRIVATE:
        return None
    stated = float(spec.strategy.params["noise_multiplier"])
    multipliers = [effective_multiplier(stated, round) for round in examples]
    note, epsilon = "", None
    if stated <= 0:
        note = "no noise is added: nothing is promised"
    else:
        try:
            epsilon = rdp_epsilon(multipliers, DP_DELTA, clients)
        except ImportError:
            note = f"dp-accounting is not installed; {how_to_install('privacy')}"
    return PrivacyRecord(
        epsilon=epsilon,
        delta=DP_DELTA,
        releases=len(multipliers),
        noise_multiplier=min(multipliers),
        note=note,
    )


def in_words(found: PrivacyRecord) -> str:
    """Return a privacy record in one line."""
    value = "not computed" if found.epsilon is None else f"{found.epsilon:.4g}"
    note = f"; {found.note}" if found.note else ""
    return (
        f"epsilon {value} at delta {found.delta:g} over {how_many(found.releases, 'round')},"
        f" noise {found.noise_multiplier:.4g}, no amplification by sampling, one client added or"
        f" removed{note}"
    )
