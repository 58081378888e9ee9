"""Deployments as files for real machines: Compose, Kubernetes, systemd."""

from __future__ import annotations

import json
import shlex
from importlib import resources
from pathlib import Path, PurePosixPath

from jinja2 import Environment, StrictUndefined

from harness import __version__
from harness.document import write_atomic
from harness.federation.deployment import credentials
from harness.federation.deployment.plan import Deployment

KEYS = PurePosixPath("/etc/flowertune/keys")
"""Where the machines of a written deployment have what they need of `keys/`."""
DATABASE = PurePosixPath("/var/lib/flowertune/superlink.db")

FORMS = {
    "compose": ("Dockerfile", "compose.yaml"),
    "kubernetes": ("Dockerfile", "kustomization.yaml", "flowertune.yaml"),
    "systemd": (
        "flowertune-superlink.service",
        "flowertune-supernode@.service",
        "flowertune-node.service",
        "install.sh",
    ),
}
"""Form -> its files, each with a template of its name."""


def write_form(form: str, deployment: Deployment, folder: Path) -> list[Path]:
    """Write one form beside the keys of a deployment; return its files.

    Args:
        form: one of `FORMS`.
        deployment: what to write.
        folder: of the deployment.
    """
    environment = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False
    )
    environment.filters["yaml"] = json.dumps  # JSON is YAML
    environment.filters["shell"] = shlex.join
    root = resources.files("harness.federation.deployment").joinpath("template")
    values = {
        "deployment": deployment,
        "version": __version__,
        "keys": KEYS,
        "database": DATABASE,
        "credentials": credentials,
        "partitions": range(deployment.supernodes),
    }
    written = []
    for name in FORMS[form]:
        text = root.joinpath(f"{name}.jinja").read_text("utf-8")
        path = folder / form / name
        write_atomic(path, environment.from_string(text).render(values))
        written.append(path)
    return written
