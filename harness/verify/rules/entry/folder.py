"""Rules on a folder: a submission's manifest, name and place; what a run's stages wrote."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from harness.boards.open_division import filed_under
from harness.document.exact import ABSENT, differences
from harness.document.units import how_many
from harness.record.file_names import ISOLATION, MANIFEST, ROUNDS, SPEC
from harness.verify.files.layout import SUBMISSION_NAME, SUBMISSION_NAME_IS
from harness.verify.report import shown
from harness.verify.rule import Breach, Rule
from harness.verify.submission import Submission
from harness.verify.targets import FILED_DEPTH, TREE


def manifest(submission: Submission) -> Iterator[Breach]:
    """The manifest lists every other file with its size and digest."""
    if not submission.is_submission:
        return
    listed = submission.manifest
    if listed is None:
        yield "", "no manifest.json", "sizes and digests of all files"
        return
    present = {name: value for name, value in submission.digests.items() if name != MANIFEST}
    for name in sorted((present.keys() | listed.keys()) - submission.refused):
        if present.get(name) != listed.get(name):
            yield name, listed.get(name, "not listed"), present.get(name, "no such file")


def place(submission: Submission) -> Iterator[Breach]:
    """A submission lies in a folder of its challenge, under a plain name."""
    folder = submission.folder
    if not submission.is_submission or folder is None:
        return
    if not SUBMISSION_NAME.fullmatch(folder.name):
        yield "", folder.name, f"a folder name of {SUBMISSION_NAME_IS}"
    spec = submission.record.spec
    challenge, filed = filed_under(submission.challenge.id, spec.open), submission.filed
    if filed is not None and len(filed) != FILED_DEPTH:
        yield "", "/".join((TREE, *filed)), f"{TREE}/{challenge}/<name>, neither above nor below"
    elif filed is not None and filed[0] != challenge:
        whose = f", the folder of the {spec.division} division" if spec.open else ""
        yield "", f"{TREE}/{filed[0]}", f"{TREE}/{challenge}{whose}"


def stages(submission: Submission) -> Iterator[Breach]:
    """What the stages of a run wrote is what its record repeats of them."""
    raw = submission.raw
    repeated = {
        SPEC: ("spec", raw["spec"]),
        ISOLATION: ("isolation", raw.get("isolation")),
        ROUNDS: ("federation.rounds", raw["federation"]["rounds"]),
    }
    for name, written in submission.stages.items():
        place, stated = repeated[name]
        if isinstance(written, list) and len(written) != len(stated):
            yield place, how_many(len(stated), "round"), f"{len(written)}, as {name} says"
            continue
        for below, found, expected in sorted(differences(stated, written), key=itemgetter(0)):
            # A stage of a run that was resumed may be of a version that had not yet a field.
            if expected is not ABSENT:
                where = f"{place}.{below}".replace(".[", "[")
                stands = "nothing" if found is ABSENT else found
                yield where, stands, f"{shown(expected)}, as {name} says"


RULES = (
    Rule("manifest", "The manifest lists the files as they are", "harness submission format",
         manifest, file=MANIFEST),
    Rule("run-stages", "The record repeats what the stages of its run wrote",
         "run directory of the harness", stages),
    Rule("place", "The folder is named for its challenge", "harness submission format", place,
         file=""),
)  # fmt: skip
