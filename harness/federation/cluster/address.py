"""The address of a Ray cluster, as users give it."""

from __future__ import annotations

from harness.errors import UsageError

OTHERWISE = ("local", "")
"""What `ray.init` takes for no cluster."""


def refuse_address(address: str) -> None:
    """Refuse an address that names no cluster which can be joined.

    Raises:
        UsageError: it is Ray's word for none, or a Ray client's.
    """
    if address in OTHERWISE:
        raise UsageError(
            f"--ray-address {address!r}: names no cluster; leave it out to run on this machine"
        )
    if "://" in address:
        raise UsageError(
            f"--ray-address {address!r}: the run's server must be on a node of the cluster; join it"
            " on this machine (`ray start --address=HOST:PORT`) and give HOST:PORT, or auto"
        )
