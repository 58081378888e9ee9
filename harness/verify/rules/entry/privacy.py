"""The rule on what a run says that it leaks of one client."""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose

from harness.record.federation import DP_DELTA
from harness.verify.independent.gaussian_privacy import epsilon_of
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission

PRIVATE = ("standard/dp-server-side", "standard/dp-client-side")
"""Strategies whose aggregates are noised means of clipped updates."""
CLOSE = 1e-6
"""Relative: floats that are summed in another order."""


def privacy(submission: Submission) -> Iterator[Breach]:
    """A stated epsilon follows from the noise, the rounds and the clients' shares of the examples.

    A record without one promises nothing; harnesses before 0.2 stated none.
    """
    record = submission.record
    found, spec = record.privacy, record.spec
    if found is None:
        return
    noise = spec.strategy.params.get("noise_multiplier")
    if spec.strategy.name not in PRIVATE or not isinstance(noise, float):
        yield "privacy", f"epsilon {found.epsilon}", f"null: {spec.strategy.name} promises none"
        return
    multipliers = [
        noise / (len(item.clients) * max(shares) / sum(shares))
        for item in record.federation.rounds
        if sum(shares := [client.examples for client in item.clients]) > 0
    ]
    if found.releases != len(multipliers):
        yield "privacy.releases", found.releases, f"{len(multipliers)}: one a round"
    if found.delta != DP_DELTA:
        yield "privacy.delta", found.delta, DP_DELTA
    least = min(multipliers, default=0.0)
    if not isclose(found.noise_multiplier, least, rel_tol=CLOSE):
        yield "privacy.noise_multiplier", found.noise_multiplier, least
    if least <= 0:
        if found.epsilon is not None:
            yield "privacy.epsilon", found.epsilon, "null: no noise is added"
    elif found.epsilon is None:
        if not found.note:
            yield "privacy.epsilon", None, "a number, or a note that says why there is none"
    elif not isclose(found.epsilon, own := epsilon_of(multipliers, DP_DELTA), rel_tol=CLOSE):
        yield "privacy.epsilon", found.epsilon, own


RULES = (
    Rule("privacy", "A stated epsilon is that of the run's noise",
         "Renyi differential privacy, arXiv 1702.07476 and 2004.00010", privacy),
)  # fmt: skip
