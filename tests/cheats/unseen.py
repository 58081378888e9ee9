"""Cheats that nothing catches, or that are only named: a reader of the plugin must find them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cheat import cheat

sys.path.insert(0, str(Path(__file__).parents[1] / "isolation"))

import launch  # needs the path above

HOURS = "an hour or two of writing a plugin"


def as_a_client(folder: Path, code: str) -> str:
    """Run code in the environment of a client's process; return what it printed."""
    from harness.federation.simulation.environment import child_environment

    spec = SimpleNamespace(compute=SimpleNamespace(threads=1))
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=child_environment(spec, str(folder)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()


@cheat(
    "the plugin replaces a function of the harness in the client's process", "nothing", "", HOURS
)
def patched_harness(folder: Path) -> str:
    """Files and digests stay; a repetition with the same plugin gives the same. Half of the loss
    is trained. The record says that code of the entrant's ran (`own_code`)."""
    code = (
        "from harness.machine.versions import harness_code; before = harness_code().digest;"
        "from harness.document import units; units.MIB = 1; harness_code.cache_clear();"
        "print(harness_code().digest == before)"
    )
    assert as_a_client(folder, code) == "True"
    return ""


@cheat("whole updates through a file, a small message for the count", "nothing", "", HOURS)
def side_channel(folder: Path) -> str:
    """Server and clients are held back together, and share a folder for temporary files. A method
    or strategy of one's own is on the record (`own_code`), a small message at the entry."""
    code = "import pathlib; pathlib.Path('update').write_bytes(b'whole')"
    launch.run(f"import os; os.chdir({str(folder)!r}); {code}", folder)
    assert (folder / "update").read_bytes() == b"whole"
    return ""


ROW = "The maker of lifts expects its profit for the year to rise by a tenth ."
"""Stands for a row of the evaluation, whose text may not be passed on."""


def contamination(row: str) -> str:
    """Return what a plan says of a prompt that holds a row of the evaluation with its label."""
    from harness.boards import shingles
    from harness.planning.settings.templates import contamination_faults
    from harness.recipe import ALPACA, Prompt, TrainSpec

    known = shingles.make_shingles([row])
    size = shingles.DIGEST_BYTES
    digests = frozenset(known[at : at + size] for at in range(0, len(known), size))
    train = TrainSpec(prompt=Prompt(template=f"{row} positive\n{ALPACA}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shingles, "shingles_of", lambda board: digests)
        return "; ".join(found for found, _ in contamination_faults("finance", train))


@cheat(
    "rows of the evaluation with their labels inside the prompt template", "plan",
    "holds words of an evaluation row", "minutes",
)  # fmt: skip
def contamination_without_code(folder: Path) -> str:
    """Digests of the rows' words are compared with every text of a recipe."""
    return contamination(ROW)


@cheat("the same with rows of fewer than five words", "nothing", "", "minutes")
def contamination_by_short_rows(folder: Path) -> str:
    """So few words are in too many texts; the prompt stands in the spec, for all to read."""
    return contamination("Lifts sell well .")
