"""Whether a process's first cosines are those of every other: `python bench/first_calls.py`.

Forks of one process compute the cosines of the angles of 616 tokens on two threads, in turns as
torch would and after `use_threads`. How many of them got other values than one thread gives is
printed; where torch has no MKL none may. What makes threads meet is chance: a thousand forks of
each kind on two idle cores show a few.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "2")

import torch

from harness.processes.numeric_threads import use_threads
from harness.processes.waiting_threads import let_threads_sleep

KINDS = {"torch_alone": torch.set_num_threads, "use_threads": use_threads}
"""What a fork does before it computes, by name."""


def angles() -> torch.Tensor:
    """Return the angles of 616 positions of a model with heads of 64 values, (616, 64) float32."""
    frequencies = 1.0 / 100_000 ** (torch.arange(0, 64, 2) / 64)
    return torch.outer(torch.arange(616).float(), torch.cat([frequencies, frequencies]))


def is_odd(kind: str, given: torch.Tensor, expected: bytes) -> bool:
    """Return whether a fork that prepares as `kind` says finds other cosines."""
    child = os.fork()
    if child == 0:
        KINDS[kind](2)
        given = given + 0.0  # has both threads there, as whatever a model computes first has
        os._exit(given.cos().numpy().tobytes() != expected)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def expected_of(given: torch.Tensor) -> bytes:
    """Return the cosines that one thread finds, in a process of its own."""
    read, write = os.pipe()
    if os.fork() == 0:
        torch.set_num_threads(1)
        with os.fdopen(write, "wb") as file:
            file.write(given.cos().numpy().tobytes())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        found = file.read()
    os.wait()
    return found


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forks", type=int, default=1000, help="of each kind")
    options = parser.parse_args()
    let_threads_sleep()
    # This process never uses two threads itself: a fork of one that has waits for ever.
    torch.set_num_threads(1)
    given = angles()
    expected = expected_of(given)
    odd = dict.fromkeys(KINDS, 0)
    for _ in range(options.forks):
        for kind in KINDS:
            odd[kind] += is_odd(kind, given, expected)
    print(json.dumps({"forks": options.forks, "odd": odd}))


if __name__ == "__main__":
    main()
