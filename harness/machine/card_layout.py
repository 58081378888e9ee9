"""The cards of a machine that a run uses, and how many clients each of them carries at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GPU_SHARE_UNIT = 10_000
"""Ray counts parts of a GPU in ten-thousandths, rounded. Source: Ray, "Fractional resources"."""


@dataclass(frozen=True, slots=True)
class CardLayout:
    """Client processes on cards; Ray fills one card before it takes the next."""

    cards: tuple[int, ...]
    """Numbers of the cards that are used, as this process sees them."""
    per_card: int
    """Most client processes of a card."""
    processes: int
    """Of all cards together."""

    @property
    def share(self) -> float:
        """The part of a card that each process asks Ray for."""
        return gpu_share(self.per_card)

    def on_each(self) -> list[int]:
        """Return how many processes each used card has."""
        left, found = self.processes, []
        for _ in self.cards:
            found.append(min(self.per_card, left))
            left -= found[-1]
        return found

    def text(self) -> str:
        """Return it in words."""
        pairs = zip(self.cards, self.on_each(), strict=True)
        return ", ".join(f"card {card}: {count}" for card, count in pairs if count)


def card_layout(fitting: Sequence[int], most: int) -> CardLayout:
    """Return the layout that lets most clients work at once, with the fewest on a card.

    Ray gives every client an equal part of a card, so a card carries `n` clients or is left out: of
    cards that carry 1 and 3, one client on each is 2, three on the second alone is 3.

    Args:
        fitting: how many clients fit on each card by forecast; at least one card.
        most: clients that could work at once: sampled in a round, and with cores for their threads.
    """
    best = CardLayout((0,), 1, 1)  # where nothing fits, one tries, and says what it met
    for per_card in range(1, max(*fitting, 1, 1) + 1):
        cards = tuple(number for number, fit in enumerate(fitting) if fit >= per_card)
        processes = min(per_card * len(cards), most)
        if processes > best.processes or (processes == best.processes and best.cards == (0,)):
            if not cards:
                continue
            needed = -(-processes // per_card)
            best = CardLayout(cards[:needed], per_card, processes)
    return best


def layout_of(processes: int, cards: int) -> CardLayout:
    """Return the layout of a number of processes that was asked for, spread over all cards."""
    per_card = -(-processes // cards)
    return CardLayout(tuple(range(-(-processes // per_card))), per_card, processes)


def gpu_share(processes: int) -> float:
    """Return the part of one GPU that each of some processes asks Ray for.

    Rounded down: a sixth is rounded up to 0.1667 by Ray, and six of those do not fit.
    """
    return GPU_SHARE_UNIT // processes / GPU_SHARE_UNIT
