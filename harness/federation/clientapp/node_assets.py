"""What a node finds on its own machine: the run's harness, its plugins and its files, or others."""

from __future__ import annotations

from pathlib import Path

from harness.document import parse_document, parse_json, sha256_text
from harness.errors import PluginError
from harness.federation.job import Job
from harness.machine.cache_folder import cache_folder
from harness.plugins.lookup import refuse_other_plugins
from harness.sources.assets import locate_for_training

MIRROR = "mirror"
"""Key of a SuperNode's `--node-config`: its folder with `datasets/` and `models/`."""

_checked: dict[str, Job] = {}
"""Digest of a job -> the job with this machine's paths: its files are digested once per process."""


def job_here(text: str, digest: str, mirror: Path | None) -> Job:
    """Return a job with paths of this machine, where it came without any.

    Loads no plugin and no torch.

    Args:
        text: the job, as its server wrote it.
        digest: of the text, by the server.
        mirror: of this node, or None.

    Raises:
        PluginError: the text is not what the server digested, or the harness or a plugin is not
            the run's.
        SourceError: the model or the training set is nowhere, or is another.
    """
    if digest in _checked:
        return _checked[digest]
    if sha256_text(text) != digest:
        raise PluginError("the job arrived altered; its digest is not the server's")
    job = parse_document(Job, parse_json(text, "job"), "job")
    if not job.assets.placed:
        job.check()
        refuse_other_plugins(job.spec.needed_plugins)
        found = locate_for_training(job.spec, job.challenge, job.assets.data, mirror)
        job = job.with_values(assets=found)
    _checked.clear()
    _checked[digest] = job
    return job


def clients_folder(job_digest: str) -> Path:
    """Return where the clients of this machine keep what stays at home in a run."""
    return cache_folder() / "clients" / job_digest[:16]
