"""The original: what is to be repeated, and whether it can be repeated here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from harness.boards.challenge import Challenge
from harness.document import digest_of, read_document
from harness.document.units import how_many
from harness.errors import RecordError, UsageError
from harness.federation.storage import checkpoint
from harness.federation.storage.ledger import Ledger
from harness.machine.machine import this_machine
from harness.record.federation import RoundRecord
from harness.record.file_names import ADAPTER, ADAPTER_WEIGHTS, ASSETS, RESULT, SPEC
from harness.record.result import ResultRecord, read_result
from harness.sources.assets import Assets
from harness.spec import RunSpec
from harness.verify.targets import refuse_claim


@dataclass(frozen=True, slots=True)
class Original:
    """What is to be repeated."""

    folder: Path
    spec: RunSpec
    rounds: tuple[RoundRecord, ...]
    record: ResultRecord | None
    """None for a run that has no result yet."""
    result: Path | None = None
    """The record's file."""

    def tensors(self, number: int) -> Path | None:
        """Return a file with the aggregate of round `number`, if one was kept."""
        places = [self.folder / f"adapter_round_{number}" / ADAPTER_WEIGHTS]
        if number == self.spec.train.rounds:
            places.insert(0, self.folder / ADAPTER / ADAPTER_WEIGHTS)
        places.append(checkpoint.path_of(self.folder, number))
        return next((path for path in places if path.is_file()), None)

    def challenge(self) -> Challenge:
        """Return the challenge that it followed.

        Raises:
            RecordError: this harness has other rules of that name.
        """
        named = self.spec.challenge
        challenge = self.spec.rules()
        if digest_of(challenge) != named.digest:
            raise RecordError(
                f"{self.folder}: run under {named.id} {named.digest[:12]}, this harness has"
                f" {digest_of(challenge)[:12]}; install the version that made it"
            )
        return challenge

    def refuse_other_data(self, assets: Assets) -> None:
        """Compare the files found here with those that it was made with.

        Raises:
            RecordError: one has another digest.
        """
        recorded = self.record.data if self.record else ()
        if not recorded and (self.folder / ASSETS).is_file():
            recorded = read_document(Assets, self.folder / ASSETS).data
        expected = {item.name: item for item in recorded}
        for item in assets.data:
            before = expected.get(item.name)
            if before is not None and before.sha256 != item.sha256:
                notes = "".join(f" ({note})" for note in before.notes)
                raise RecordError(
                    f"{item.name} from the {item.source} is {item.sha256[:12]}, the record was made"
                    f" with {before.sha256[:12]} from a {before.source}{notes}; provide that file,"
                    " in a mirror for example"
                )

    def refuse_unasked_code(self, asked: bool) -> None:
        """Check that code out of the model's folder runs only where whoever repeats asks for it.

        Raises:
            UsageError: it would run, and nobody asked.
        """
        if self.spec.model.trust_remote_code and not asked:
            raise UsageError(
                f"{self.spec.model.hub_id} runs code out of its folder, here with all of your"
                " rights; read it, and allow it with --trust-remote-code"
            )

    def refuse_impossible(self, number: int | None, client: int | None) -> None:
        """Check that there is such a round and such a client, and a device to train on.

        Raises:
            UsageError: there is not.
        """
        if client is not None and number is None:
            raise UsageError("--client needs --round: a client trains in one round")
        planned, done = self.spec.train.rounds, len(self.rounds)
        if number is not None and not 1 <= number <= done:
            have = f"rounds 1..{done}" if done else "no finished round yet"
            raise UsageError(f"--round {number}: {self.folder} has {have}; choose one of them")
        if number is None and done != planned:
            again = f"harness run --resume {shlex.quote(str(self.folder))}"
            raise UsageError(
                f"{self.folder} has {done} of {how_many(planned, 'round')}; finish it with {again},"
                " or repeat one round with --round"
            )
        if number is not None and client is not None:
            sampled = self.rounds[number - 1].partitions
            if client not in sampled:
                raise UsageError(
                    f"--client {client}: partition {client} was not sampled in round {number};"
                    f" sampled: {', '.join(str(partition) for partition in sampled)}"
                )
        if self.spec.compute.device == "cuda" and this_machine().gpu_name is None:
            raise UsageError(
                f"{self.folder} was trained on a GPU and this machine has none that nvidia-smi"
                " lists; repeat it on one that has"
            )


def read_original(path: Path) -> Original:
    """Read a result file, a submission folder or a run directory.

    Raises:
        RecordError: there is no result and no run there.
    """
    refuse_claim(path)
    folder = path.parent if path.is_file() else path
    result = path if path.is_file() else path / RESULT
    if result.is_file():
        record = read_result(result)
        return Original(folder, record.spec, record.federation.rounds, record, result)
    if (folder / SPEC).is_file():
        spec = read_document(RunSpec, folder / SPEC)
        return Original(folder, spec, tuple(Ledger(folder).rounds), None)
    raise RecordError(f"{path}: no result.json and no spec.json; expected a result or a run")
