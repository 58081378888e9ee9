"""Rules on the folder of a submission: its manifest, its name and where it lies."""

from __future__ import annotations

from collections.abc import Iterator

from harness.boards.open_division import filed_under
from harness.record.file_names import MANIFEST
from harness.verify.files.layout import SUBMISSION_NAME
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
        yield "", folder.name, "a folder name of a-z, 0-9, dot, underscore and hyphen"
    spec = submission.record.spec
    challenge, filed = filed_under(submission.challenge.id, spec.open), submission.filed
    if filed is not None and len(filed) != FILED_DEPTH:
        yield "", "/".join((TREE, *filed)), f"{TREE}/{challenge}/<name>, neither above nor below"
    elif filed is not None and filed[0] != challenge:
        whose = f", the folder of the {spec.division} division" if spec.open else ""
        yield "", f"{TREE}/{filed[0]}", f"{TREE}/{challenge}{whose}"


RULES = (
    Rule("manifest", "The manifest lists the files as they are", "harness submission format",
         manifest, file=MANIFEST),
    Rule("place", "The folder is named for its challenge", "harness submission format", place,
         file=""),
)  # fmt: skip
