"""What the server sees of clients on its own machine while they work: steps, and long calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

from harness.federation.clientapp.long_calls import forget_call, long_call
from harness.federation.clientapp.steps_taken import forget, steps_taken
from harness.progress import say


class ClientsSeen:
    """Tells how far the clients of a round are, each step once."""

    def __init__(self, logs: Path, max_steps: int) -> None:
        """Prepare; nobody is told yet.

        Args:
            logs: the run's folder of logs, in which clients leave what is seen.
            max_steps: steps of a round.
        """
        self._logs, self._max_steps = logs, max_steps
        self.on_steps: Callable[[int, int], None] = lambda partition, steps: None
        """Called with a partition and how many more steps it has taken, as far as is known; the
        last ones are known with its good reply."""
        self._told: dict[int, int] = {}
        """Partition -> steps of this round that `on_steps` has been told of. A client that failed
        and begins anew adds to them once it is further than before."""
        self._telling = Lock()
        self._waits: dict[int, str] = {}
        """Partition -> what was said last of a call that it waits for."""

    def forget(self, partitions: Iterable[int]) -> None:
        """Forget what was told, and delete the files that clients kept it in."""
        self._told, self._waits = {}, {}
        for partition in partitions:
            forget(self._logs, partition)
            forget_call(self._logs, partition)

    def look(self, partitions: Iterable[int]) -> None:
        """Tell how far clients are, and which plugin's code holds one."""
        for partition in partitions:
            self.tell(partition, steps_taken(self._logs, partition))
            held = long_call(self._logs, partition)
            if held is not None and held != self._waits.get(partition):
                self._waits[partition] = held
                say(f"client of partition {partition}: {held}")

    def tell(self, partition: int, steps: int | None = None) -> None:
        """Tell that a client has taken so many steps of its round; None: all of them."""
        with self._telling:
            known = self._max_steps if steps is None else min(steps, self._max_steps)
            more = known - self._told.get(partition, 0)
            if more > 0:
                self._told[partition] = known
                self.on_steps(partition, more)
