"""Several decoders at once on one model, each in a thread of its own.

Products of a few rows do not keep several processors busy, and much of a forward pass is not a
product. Threads share the model's weights, and torch leaves python to the others while it computes.

Each decoder gets a fixed share of the rows: of two decoders, the first has rows 0 2 4 ..., the
second 1 3 5 .... One queue for both would even out the load; but which rows meet in a forward pass,
and with it the rounding of their logits, would then depend on which thread was faster. For the same
reason a decoder has the same number of torch's threads to the end, also when it works on alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
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
        job: Callable[[Decoder, Sequence[Item]], Iterator[Found]],
    ) -> Generator[Found, None, None]:
        """Yield what `job` finds for all items, in the order in which it is found.

        When a decoder fails the others stop after their forward pass; what was found until then is
        yielded before the error is raised.

        Args:
            items: what to do; shared out one by one, so neighbours go to different decoders.
            job: called in each decoder's thread with its share.

        Raises:
            BaseException: what a decoder's job raised first, whatever it was.
        """
        count = len(self.decoders)
        if count == 1:
            yield from job(self.decoders[0], items)
            return
        found: SimpleQueue[Found | _Ended] = SimpleQueue()

        def run(decoder: Decoder, share: Sequence[Item]) -> None:
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

        workers = [
            threading.Thread(target=run, args=(decoder, items[place::count]), name="decoder")
            for place, decoder in enumerate(self.decoders)
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


class _Ended:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error
