"""A small run of the tiny plugin: spec, challenge and assets, ready for `federate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.boards.challenge import Challenge, load_challenge
from harness.document import sha256_file
from harness.document.file_digests import sha256_of_set
from harness.federation.job import Job
from harness.plugins import find_peft_method, find_strategy, load, validated_params
from harness.recipe import Choice
from harness.record.data import DataRecord
from harness.sources.assets import Assets
from harness.sources.models import model_files
from harness.spec import ChallengeRef, Compute, RunSpec

EVALUATION_KEY = "0" * 64
"""Of the proofs of rows that a test evaluates in its own process."""


@dataclass(frozen=True)
class TinyRun:
    """What `federate` takes."""

    spec: RunSpec
    challenge: Challenge
    assets: Assets

    @property
    def job(self) -> Job:
        """The three in one."""
        return Job(spec=self.spec, challenge=self.challenge, assets=self.assets)


def tiny_run(
    model_dir: Path, recipe: str = "fedavg", supernodes: int = 6, **train: object
) -> TinyRun:
    """Return a smoke run of `tiny/RECIPE` on `supernodes` partitions of the synthetic corpus.

    Args:
        model_dir: folder of the tiny model.
        recipe: recipe of the tiny plugin.
        supernodes: partitions; half of them are sampled each round.
        train: fields of the recipe's TrainSpec to change.
    """
    plugin = load("tiny")
    proposal = plugin.recipes[recipe]
    challenge = load_challenge("finance").with_values(num_supernodes=supernodes)
    method = find_peft_method(proposal.peft.name, "tiny")
    strategy = find_strategy(proposal.strategy.name, "tiny")
    refs = {ref.name: ref for ref in (plugin.ref, method.plugin, strategy.plugin)}
    peft = validated_params(method.value.params, proposal.peft, "tiny")
    params = validated_params(strategy.value.params, proposal.strategy, "tiny")
    spec = RunSpec(
        challenge=ChallengeRef.of(challenge),
        plugin="tiny",
        recipe=recipe,
        plugins=tuple(sorted(refs.values(), key=lambda ref: ref.name)),
        model=plugin.models["tiny"],
        peft=Choice(name=method.name, params=peft.model_dump(mode="json")),
        strategy=Choice(name=strategy.name, params=params.model_dump(mode="json")),
        train=proposal.train.with_values(**{"fraction": 0.5} | train),
        seed=7,
        compute=Compute(device="cpu", threads=1),
        smoke=True,
    )
    files = {name: sha256_file(model_dir / name) for name in model_files(model_dir, False)}
    data = DataRecord(
        name="tests/tiny",
        kind="model",
        source="synthetic",
        revision="tests",
        sha256=sha256_of_set(files),
        files=files,
    )
    assets = Assets(model_dir=str(model_dir), training_file=None, evaluation_files={}, data=(data,))
    return TinyRun(spec, challenge, assets)
