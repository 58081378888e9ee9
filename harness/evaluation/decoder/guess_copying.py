"""Guesses at a row's next tokens. A guess is kept only if greedy decoding would have written it.

What a row has written once it is likely to write again: models that were trained without EOS repeat
themselves to the end. A forward pass over sixteen tokens of one row costs little more than one over
a single token, so right guesses save nearly all of a row's passes, and wrong ones cost little.

An example. The text is 1 5 6 7 5 6. Its last two tokens, 5 6, stood before, followed by the 7 in
place 3: that is the source, and the guesses are 7 5 6 7 5 6 ..., the three tokens from there to the
end of the text over and over. If the row then writes 7, the streak is 1 and the source moves on to
place 4; if it writes 8, the streak is 0 and a new source is looked for, which ends in 6 8.
"""

from __future__ import annotations

from collections.abc import Sequence

GRAMS = (3, 2)
"""Lengths of the text whose last occurrence is looked for, the longer first."""

MAX_GUESSES = 63
"""Tokens guessed ahead of one row at most: with the row's own token half a full pass."""

SURE_STREAK = 4
"""Right guesses in a row after which a row is taken to repeat itself."""


class Copying:
    """Guesses that a row goes on as it did when its latest tokens last stood in its text.

    Every token is guessed at, also when no guess is fed, so how often guesses would have been right
    is known before any is paid for.
    """

    def __init__(self, prompt: Sequence[int]) -> None:
        """Read a row's prompt, whose own repetitions do not count as right guesses."""
        self._text: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}
        self._source: int | None = None
        self.streak = 0
        """How many tokens, up to the latest, were guessed right without a miss."""
        for token in prompt:
            self.write(token)
        self.streak = 0

    def write(self, token: int) -> None:
        """Add the token that the row wrote."""
        right = self._source is not None and self._text[self._source] == token
        self._text.append(token)
        end = len(self._text)
        if right:
            assert self._source is not None
            self.streak, self._source = self.streak + 1, self._source + 1
        else:
            grams = (self._ends.get(tuple(self._text[-size:])) for size in GRAMS)
            self.streak, self._source = 0, next((at for at in grams if at is not None), None)
        # After the search: else the latest tokens would be found as their own earlier occurrence.
        for size in GRAMS:
            if end >= size:
                self._ends[tuple(self._text[-size:])] = end

    def guess(self, count: int) -> list[int]:
        """Return `count` tokens that may follow, or none when the row repeats nothing."""
        if self._source is None:
            return []
        period = len(self._text) - self._source
        return [self._text[self._source + place % period] for place in range(count)]
