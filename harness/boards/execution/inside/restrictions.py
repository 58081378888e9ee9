"""The weaker form of the sandbox, which needs no rights: Landlock for files, seccomp for sockets.

For machines that allow no namespaces (many containers, Ubuntu from 24.04 on for ordinary users).
"""

from __future__ import annotations

import fcntl

from harness.kernel import call_filter, landlock


def prepare_landlock(readable: list[str], folder: str) -> int | None:
    """Return a set of rules: read `readable`, do all in `folder`, and nothing else.

    None: the kernel has no Landlock.
    """
    if not landlock.version():
        return None
    rules = landlock.new_rules()
    devices = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]
    allowed = [(path, landlock.READ) for path in readable]
    allowed += [(path, landlock.OF_FILES) for path in devices] + [(folder, landlock.EVERYTHING)]
    for path, access in allowed:
        landlock.allow(rules, path, access)
    # A program's own descriptors are put in the low numbers.
    return fcntl.fcntl(rules, fcntl.F_DUPFD_CLOEXEC, 64)


def enter_seccomp(own: int) -> None:
    """Refuse sockets, keys, and signals to any process but `own`; needs no-new-privileges.

    A program's abort() signals its own process, so that is allowed.
    """
    never = ("socket", "queue", "queue_to_thread", "tkill", "pidfd_send_signal")
    call_filter.enter(
        (
            *call_filter.never(*never),
            *call_filter.HELD_BACK,
            *call_filter.NO_UNSEEN_MEMORY,
            call_filter.only("kill", 0, own),
            call_filter.only("tgkill", 0, own),
        )
    )
