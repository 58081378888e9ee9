"""The job: everything that a process needs to know to take part in a run, sent by value."""

from __future__ import annotations

from pydantic import Field

from harness.boards.challenge import Challenge
from harness.document import Document, digest_of
from harness.errors import PluginError
from harness.machine.versions import harness_code
from harness.record.machine import HarnessCode
from harness.sources.assets import Assets
from harness.spec import RunSpec


class Job(Document):
    """A run, the rules that it follows and the files that it reads."""

    spec: RunSpec
    challenge: Challenge
    assets: Assets
    """Paths are of the machine that locates them."""
    harness: HarnessCode = Field(default_factory=harness_code)
    """Of the process that made the job: all others must run the same."""

    def check(self) -> None:
        """Check that the parts belong together.

        Raises:
            PluginError: the challenge is not the one that the spec was resolved against, or the
                harness is not the one that made the job.
        """
        here = harness_code()
        if here != self.harness:
            raise PluginError(
                f"the harness is {here.version} ({here.digest[:12]}) here, the run's is"
                f" {self.harness.version} ({self.harness.digest[:12]}); install that one"
            )
        found = digest_of(self.challenge)
        if found != self.spec.challenge.digest:
            raise PluginError(
                f"challenge {self.challenge.id} has digest {found[:12]}, the spec was resolved"
                f" against {self.spec.challenge.digest[:12]}; resolve the run again"
            )
