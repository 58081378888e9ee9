"""What the harness itself knows of a challenge, worked out once for all submissions to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from harness.boards.challenge import Challenge, load_challenge
from harness.boards.protocol import BoardProtocol
from harness.boards.registry import protocol_of
from harness.spec import ChallengeRef


@lru_cache
def official_challenge(name: str) -> Challenge:
    """Return the harness's own copy of a challenge."""
    return load_challenge(name)


@lru_cache
def _official_reference(name: str) -> ChallengeRef:
    return ChallengeRef.of(official_challenge(name))


@lru_cache
def _official_protocol(name: str) -> BoardProtocol:
    return protocol_of(official_challenge(name))


def reference_of(challenge: Challenge) -> ChallengeRef:
    """Return the digest by which records name a challenge, the official one or an opened one."""
    if challenge is official_challenge(challenge.id):
        return _official_reference(challenge.id)
    return ChallengeRef.of(challenge)


def reader_of_answers(challenge: Challenge) -> BoardProtocol:
    """Return what reads the answers of a challenge, the official one or an opened one."""
    if challenge is official_challenge(challenge.id):
        return _official_protocol(challenge.id)
    return protocol_of(challenge)


@lru_cache(maxsize=32)
def constants_of(
    count: Callable[[str, Sequence[str]], dict[str, float]], task: str, targets: tuple[str, ...]
) -> Mapping[str, float]:
    """Return what answers without a model score on some rows; nearly all entries have the same.

    Args:
        count: what the board counts them with, `BoardProtocol.constants`.
        task: evaluation set.
        targets: right answer of each row.
    """
    return count(task, targets)
