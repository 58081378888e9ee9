"""Two results of one spec that disagree: where they part, and which of them a repetition supports.

The client whose round they part in is repeated, once, from the state before it, on which both
agree. An example: rounds 1 to 3 are equal, in round 4 partition 6 returned other tensors. Partition
6 is trained once more, from the checkpoint after round 3 of either; what it returns is A's, B's or
neither's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from harness.document import Document, digest_of
from harness.document.units import how_many
from harness.errors import UsageError
from harness.federation.clientapp.client_state import CLIENT_STATES
from harness.federation.engine import federate
from harness.federation.job import Job
from harness.federation.options import Options
from harness.federation.storage import checkpoint
from harness.federation.storage.ledger import Ledger
from harness.machine.versions import require_run_extra
from harness.plugins import load_components
from harness.record.steps import first_difference, read_steps
from harness.reproduce.answers import other_answers
from harness.reproduce.original import Original, read_original
from harness.reproduce.parting import (
    Place,
    client_difference,
    parting_place,
    round_difference,
)
from harness.reproduce.start import refuse_used, seed_from_checkpoint
from harness.sources.assets import locate

SHOWN = 3
"""Settings or tensors that a line names at most."""


class Dispute(Document):
    """The finding on two results: where they part, and what a repetition says."""

    first: str
    second: str
    rounds: tuple[int, int]
    """Finished rounds of each."""
    place: Place | None
    """None: they agree as far as both go."""
    beside: tuple[str, ...] = ()
    """What else differs, or is wrong in one of them by itself."""
    supports: Literal["first", "second", "neither"] | None = None
    """None: nothing was repeated."""
    found: str = ""
    """What the repetition computed, in words."""
    repeated_rounds: int = 0
    """Whole rounds that were run to come to the state before the place."""
    repeated_clients: int = 0
    """Clients that were trained beside them."""

    def lines(self) -> list[str]:
        """Return the report for people."""
        text = [f"A is {self.first}", f"B is {self.second}"]
        if self.place is None:
            both = min(self.rounds)
            everything = f"{'all ' if both > 1 else ''}{how_many(both, 'round')}"
            same = f"A and B agree in {everything}" if both else "neither has a round"
            if self.rounds[0] != self.rounds[1]:
                same += f"; A has {self.rounds[0]}, B {self.rounds[1]}"
            return [*text, same, *self.beside]
        place = self.place
        where = f"round {place.round}"
        where += "" if place.partition is None else f", partition {place.partition}"
        text.append(f"they part in {where}: the {place.what} differs")
        shown = ", ".join(place.tensors[:SHOWN])
        more = f" and {len(place.tensors) - SHOWN} more" if len(place.tensors) > SHOWN else ""
        if place.step is not None:
            text.append(f"first at step {place.step}, in its {place.step_differs}: {shown}{more}")
        elif place.partition is not None:
            text.append(
                "which step cannot be told: only runs made with --keep-steps say what their clients"
                " held at each"
            )
        if place.step is None and place.tensors:
            text.append(f"of the aggregate, these tensors differ: {shown}{more}")
        text += self.beside
        if self.supports is not None:
            rounds = how_many(self.repeated_rounds, "round")
            ran = f"{rounds} and {how_many(self.repeated_clients, 'client')} were repeated"
            names = {"first": "A", "second": "B", "neither": "neither of them"}
            text.append(f"{ran}: {self.found}")
            text.append(f"the repetition supports {names[self.supports]}")
        return text


def dispute(
    one: Path,
    two: Path,
    work_dir: Path | None,
    mirror: Path | None = None,
    options: Options | None = None,
) -> Dispute:
    """Find where two results of one spec part, and repeat the place.

    Args:
        one: A: result file, submission folder or run directory.
        two: B.
        work_dir: where the repetition writes, new or empty; None: what is recorded is compared,
            and nothing is run.
        mirror: where models and data lie.
        options: how to run.

    Raises:
        UsageError: they are of different specs, or `work_dir` is in use.
        HarnessError: what a run raises.
    """
    first, second = read_original(one), read_original(two)
    _refuse_other_specs(first, second)
    place = parting_place(first, second)
    found = Dispute(
        first=str(one),
        second=str(two),
        rounds=(len(first.rounds), len(second.rounds)),
        place=place,
        beside=(*_broken("A", first), *_broken("B", second), *_results(first, second)),
    )
    if place is None or work_dir is None:
        return found
    require_run_extra()
    refuse_used(work_dir)
    load_components(first.spec)
    return _judged(found, first, second, work_dir, mirror, options or Options())


def _refuse_other_specs(first: Original, second: Original) -> None:
    if digest_of(first.spec) == digest_of(second.spec):
        return
    mine, theirs = (_flat(item.spec.model_dump(mode="json")) for item in (first, second))
    keys = [key for key in sorted(mine | theirs) if mine.get(key) != theirs.get(key)]
    named = [f"{key} is {mine.get(key)!r} and {theirs.get(key)!r}" for key in keys[:SHOWN]]
    more = f", and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    raise UsageError(
        f"A and B are of different specs ({'; '.join(named)}{more}); a dispute is about two results"
        " of one: harness compare tells runs with other settings apart"
    )


def _flat(value: object, name: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        parts = {f"{name}.{key}" if name else str(key): item for key, item in value.items()}
    elif isinstance(value, list):
        parts = {f"{name}.{place}": item for place, item in enumerate(value)}
    else:
        return {name: value}
    return {key: leaf for part, item in parts.items() for key, leaf in _flat(item, part).items()}


def _broken(name: str, original: Original) -> list[str]:
    """Say which round of a result has another digest than its own content."""
    wrong = [item.round for item in original.rounds if item.digest != item.chain_digest()]
    return [f"{name}: the digest of round {wrong[0]} is not that of its content"] if wrong else []


def _results(first: Original, second: Original) -> list[str]:
    """Say what differs behind the rounds: the adapter and the answers."""
    if first.record is None or second.record is None:
        return []
    same = first.record.adapter.sha256 == second.record.adapter.sha256
    return [*([] if same else ["the adapters differ"]), *other_answers(first, second)]


def _judged(
    found: Dispute,
    first: Original,
    second: Original,
    work_dir: Path,
    mirror: Path | None,
    options: Options,
) -> Dispute:
    """Repeat the place and say whose it is."""
    place = found.place
    assert place is not None
    challenge = first.challenge()
    assets = locate(first.spec, challenge, mirror)
    first.refuse_other_data(assets)
    job = Job(spec=first.spec, challenge=challenge, assets=assets)
    number = place.round
    nearest = max((first, second), key=lambda item: _newest(item, number - 1))
    begun = seed_from_checkpoint(nearest.folder, work_dir, number - 1)
    until = number if place.partition is None else number - 1
    if until > begun:
        federate(job, work_dir, options.with_values(until=until))
    ran = found.with_values(repeated_rounds=max(until - begun, 0))
    earlier = zip(Ledger(work_dir).rounds, first.rounds[: number - 1], strict=False)
    if other := [
        mine.round for mine, agreed in earlier if round_difference(mine, agreed) is not None
    ]:
        text = f"round {other[0]}, in which A and B agree, comes out otherwise here"
        return ran.with_values(supports="neither", found=text)
    records = [item.rounds[number - 1] for item in (first, second)]
    if place.partition is None:
        again = Ledger(work_dir).rounds[number - 1]
        equal = [round_difference(again, record) is None for record in records]
        text = f"the aggregate is {again.aggregate_sha256[:12]}"
        return ran.with_values(supports=_supported(equal), found=text)
    how = options.with_values(only=place.partition, keep_steps=place.step is not None)
    client = federate(job, work_dir, how).client
    assert client is not None
    ran = ran.with_values(repeated_clients=1)
    kept = [
        next(item for item in record.clients if item.partition == place.partition)
        for record in records
    ]
    equal = [client_difference(client, item) is None for item in kept]
    if all(equal):  # only the steps tell them apart
        steps = read_steps(work_dir / CLIENT_STATES, place.partition, number)
        folders = (item.folder / CLIENT_STATES for item in (first, second))
        theirs = [read_steps(folder, place.partition, number) for folder in folders]
        equal = [first_difference(steps, item) is None for item in theirs]
    text = f"partition {place.partition} returns {client.update_sha256[:12]}"
    return ran.with_values(supports=_supported(equal), found=text)


def _newest(original: Original, number: int) -> int:
    """Return the newest round up to `number` of which a checkpoint is there, 0 for none."""
    kept = checkpoint.rounds_on_disk(original.folder)
    return max((item for item in kept if item <= number), default=0)


def _supported(equal: list[bool]) -> Literal["first", "second", "neither"]:
    if equal[0] and not equal[1]:
        return "first"
    return "second" if equal[1] and not equal[0] else "neither"
