"""How a round's aggregate depends on its clients, and what of it is enough."""

from __future__ import annotations

from pydantic import Field

from harness.document import Document

TOLERANCE = 1e-4
"""Largest relative distance (L2) of a tensor from what it should be: a thousand times what float32
sums in another order give, and too little to carry an adapter in."""

LEAST_INFLUENCE = 1e-6
"""What changes by less than a millionth of what its cause changes by does not depend on it: a
strategy that ignores its replies changes by nothing at all."""

MOST_UNMOVED = 0.5
"""Share of an aggregate's way that it may go when no client has moved. Noise goes a part of it;
what lies in a plugin goes all of it."""


class Dependence(Document):
    """What shows that the aggregate of a round is made of its clients' replies."""

    start: float = Field(ge=0)
    """Largest relative distance (L2) of a tensor that clients were sent from the adapter that the
    round began with; 0 below 1e-6."""
    derived: float | None = Field(ge=0)
    """Largest relative distance (L2) of a tensor of the aggregate from what the harness made of the
    same replies by the strategy's formula; 0 below 1e-6. None: it knows no formula, and
    `together` and the clients' `influence` were measured instead."""
    together: float | None = Field(None, ge=0)
    """|change of the aggregate| / |change of a reply| when all replies change alike. None: not
    measured, or the strategy took no such replies."""
    unmoved: float | None = Field(None, ge=0)
    """How far the aggregate goes when no client has moved and nothing is remembered, as a share of
    how far it went in the round: 0 for a strategy that only combines what clients return, 1 for one
    that gets its aggregate from elsewhere. None: not measured, or it cannot be told."""
