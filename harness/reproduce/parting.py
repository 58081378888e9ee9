"""The place where two results of one spec part first, as what they recorded tells it.

Each round of a record is linked to the one before, so the first round that differs, and in it the
first client, are found without any repetition. Of runs with `--keep-steps` the step is found too.
"""

from __future__ import annotations

from harness.document import Document
from harness.federation.clientapp.client_state import CLIENT_STATES
from harness.record.federation import ClientRecord, RoundRecord
from harness.record.steps import first_difference, read_steps
from harness.reproduce.original import Original

BESIDE = {"duration_s", "previous_digest", "digest"}
"""Fields of a round that say nothing of what was computed in it."""


class Place(Document):
    """The place where two results part first."""

    round: int
    partition: int | None = None
    """The client; None where all clients agree and the aggregate does not."""
    what: str
    """What differs there: `update`, `loss`, `examples`, `aggregate` or another field's name."""
    step: int | None = None
    """Where both kept their steps (`harness run --keep-steps`), the first that differs."""
    step_differs: str | None = None
    """`values` before the step, its `gradients`, or its `loss`."""
    tensors: tuple[str, ...] = ()
    """The tensors that differ: at the step, else of the aggregate where both kept it."""


def parting_place(first: Original, second: Original) -> Place | None:
    """Return where two results part first; None where they agree as far as both go."""
    for mine, theirs in zip(first.rounds, second.rounds, strict=False):
        if (place := round_difference(mine, theirs)) is not None:
            return _finer(place, first, second)
    # A difference that the numbers swallowed, which only the steps show.
    for record in first.rounds[: len(second.rounds)]:
        for client in record.clients:
            place = Place(round=record.round, partition=client.partition, what="training")
            finer = _finer(place, first, second)
            if finer.step is not None:
                return finer
    return None


def round_difference(mine: RoundRecord, theirs: RoundRecord) -> Place | None:
    """Return the first client, else the field, in which two recordings of one round differ."""
    for one, two in zip(mine.clients, theirs.clients, strict=False):
        what = client_difference(one, two)
        if what is not None and one.partition == two.partition:
            return Place(round=mine.round, partition=one.partition, what=what)
    left, right = (item.model_dump(exclude=BESIDE | {"clients"}) for item in (mine, theirs))
    names = [name for name in left if left[name] != right[name]]
    if names:
        name = "aggregate_sha256" if "aggregate_sha256" in names else names[0]
        return Place(round=mine.round, what=name.removesuffix("_sha256").replace("_", " "))
    return None


def client_difference(one: ClientRecord, two: ClientRecord) -> str | None:
    """Return the name of what differs of a client of one round; None where nothing does."""
    names = ("update_sha256", "train_loss", "examples", "bytes_up")
    differing = [name for name in names if getattr(one, name) != getattr(two, name)]
    return differing[0].removesuffix("_sha256").replace("_", " ") if differing else None


def _finer(place: Place, first: Original, second: Original) -> Place:
    """Add the step and the tensors where what was kept tells them."""
    if place.partition is not None:
        folders = (item.folder / CLIENT_STATES for item in (first, second))
        steps = [read_steps(folder, place.partition, place.round) for folder in folders]
        found = first_difference(*steps)
        if found is not None:
            step, kind, tensors = found
            return place.with_values(step=step, step_differs=kind, tensors=tensors)
    return place.with_values(tensors=_tensors(place.round, first, second))


def _tensors(number: int, first: Original, second: Original) -> tuple[str, ...]:
    from harness.federation.wire.tensors import digest_arrays
    from harness.reproduce.comparison import adapter_of

    files = [item.tensors(number) for item in (first, second)]
    if None in files:
        return ()
    mine, theirs = (adapter_of(path) for path in files if path is not None)
    return tuple(
        name
        for name in mine
        if name not in theirs
        or digest_arrays({"": mine[name]}) != digest_arrays({"": theirs[name]})
    )
