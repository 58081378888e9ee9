"""`published.json` of a run directory: where `harness publish` put the run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from harness.document import Document
from harness.record.about import Repository, Revision, Sha256


class Published(Document):
    """What of a run lies on the hub, and at which commit."""

    model_config = ConfigDict(populate_by_name=True)

    schema_name: Literal["flowertune-harness/published"] = Field(
        default="flowertune-harness/published", alias="schema"
    )
    schema_version: Literal[1] = 1
    repository: Repository
    """`owner/name`."""
    revision: Revision
    """The commit, which names these files for ever."""
    address: Annotated[str, StringConstraints(max_length=400)]
    """Of the commit's files, as a browser opens it."""
    adapter_sha256: Sha256
    """Of the adapter's weights that were uploaded: what was published is this run's as long as its
    record names the same."""
    files: tuple[str, ...]
    """Names in the repository, sorted."""
