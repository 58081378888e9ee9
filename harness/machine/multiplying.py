"""What `core_speed` has a bare Python do: every core multiplies, at the same time, by numpy."""

from __future__ import annotations

import sys
import threading
import time

SIDE = 384
"""Rows and columns of a matrix: three of them fit a core's cache, and one product takes a
millisecond, which is seldom interrupted."""
MEASURED_S = 0.015
"""How long each core multiplies; its quickest product counts."""


def main() -> None:
    """Measure; print the mean of the cores. Arguments: numpy's site folder, number of cores."""
    folder, cores = sys.argv[-2:]
    sys.path.append(folder)
    import numpy as np

    one = np.ones((SIDE, SIDE), np.float32)
    best_s = [float("inf")] * int(cores)

    def multiply(core: int) -> None:
        product = one @ one  # the first is slower
        end = time.perf_counter() + MEASURED_S
        while (begin := time.perf_counter()) < end:
            np.matmul(one, one, out=product)
            best_s[core] = min(best_s[core], time.perf_counter() - begin)

    threads = [threading.Thread(target=multiply, args=(core,)) for core in range(int(cores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(2 * SIDE**3 / seconds for seconds in best_s) / len(best_s))
