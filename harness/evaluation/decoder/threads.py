"""Several decoders at once on one model, each in a thread of its own.

Products of a few rows do not keep several processors busy, and much of a forward pass is not a
product. Threads share the model's weights, and torch leaves python to the others while it computes.

Rows are shared out beforehand: of two decoders, the first has rows 0 2 4 ..., the second 1 3 5 ....
One queue for both would even out the load; but which rows meet in a forward pass, and with it the
rounding of their logits, would then depend on which thread was faster. Units of rows, which meet
nobody else wherever they are read, do come from one queue. A decoder has the same number of torch's
threads to the end, also when it works on alone: that too decides about rounding.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

import torch

from harness.evaluation.decoder.decode import Decoder
from harness.evaluation.decoder.working_set import Stopped

Item = TypeVar("Item")
Found = TypeVar("Found")


class DecoderPool:
    """Decoders that share one model and the processors."""

    def __init__(self, decoders: Sequence[Decoder], threads: int) -> None:
        """Share out the processors.

        Args:
            decoders: one decoder or more, on one model.
            threads: how many processors all of them use together.
        """
        self.decoders, self._threads = tuple(decoders), threads

    def work(
        self,
        items: Sequence[Item],
        job: Callable[[Decoder, Iterable[Item]], Iterator[Found]],
        queued: bool = False,
    ) -> Generator[Found, None, None]:
        """Yield what `job` finds for all items, in the order in which it is found.

        When a decoder fails the others stop after their forward pass; what was found until then is
        yielded before the error is raised.

        Args:
            items: what to do; shared out one by one, so neighbours go to different decoders.
            job: called in each decoder's thread with its share.
            queued: have each decoder take the next item when it is free: only where an item's
                values do not depend on what was read before it.

        Raises:
            BaseException: what a decoder's job raised first, whatever it was.
        """
        count = len(self.decoders)
        if count == 1:
            yield from job(self.decoders[0], items)
            return
        found: SimpleQueue[Found | _Ended] = SimpleQueue()

        def run(decoder: Decoder, share: Iterable[Item]) -> None:
            error: BaseException | None = None
            try:
                # In this thread, because OpenMP keeps the number for each thread.
                torch.set_num_threads(max(1, self._threads // count))
                for item in job(decoder, share):
                    found.put(item)
            except Stopped:
                pass
            except BaseException as caught:  # raised again where the rows are asked for
                error = caught
            found.put(_Ended(error))

        waiting = deque(items)
        shares = [_taken(waiting) if queued else items[place::count] for place in range(count)]
        workers = [
            threading.Thread(target=run, args=(decoder, share), name="decoder")
            for decoder, share in zip(self.decoders, shares, strict=True)
        ]
        for worker in workers:
            worker.start()
        errors: list[BaseException] = []
        running = count
        try:
            while running:
                item = found.get()
                if isinstance(item, _Ended):
                    running -= 1
                    if item.error is not None:
                        errors.append(item.error)
                        self._stop()
                else:
                    yield item
        finally:
            # Also when whoever asks for rows stops asking: no thread is left behind.
            if running:
                self._stop()
            for worker in workers:
                worker.join()
        if errors:
            raise errors[0]

    def _stop(self) -> None:
        for decoder in self.decoders:
            decoder.working_set.stopped = True


def _taken(waiting: deque[Item]) -> Iterator[Item]:
    """Yield what is first in a queue that other threads take from too."""
    with suppress(IndexError):
        while True:
            yield waiting.popleft()


class _Ended:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error
