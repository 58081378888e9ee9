"""How many clients work at once: no more than fit, on a CPU and on a GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.machine.card_layout import gpu_share
from harness.machine.machine import Machine
from harness.planning.client_processes import client_memory_bytes, client_processes
from harness.planning.resolve import Request, resolve
from harness.spec import RunSpec

GIB = 2**30
PARAMETERS = 24_035_328
MACHINE = Machine(
    cores=16,
    memory_bytes=64 * GIB,
    vector_bits=512,
    gpu_name="A card",
    gpu_free_bytes=16 * GIB,
)


def spec_of(recipe: str, device: str, **options: object) -> RunSpec:
    request = Request(f"smollm2-dora/{recipe}", device=device, threads=1, **options)  # type: ignore[arg-type]
    return resolve(request, MACHINE).spec


def test_as_many_share_a_gpu_as_its_free_memory_holds() -> None:
    spec = spec_of("1.7b", "cuda")
    each = client_memory_bytes(spec, PARAMETERS)
    assert 2 * GIB < each < 0.6 * 16 * GIB, "it is known to train on a 16 GB card"

    def carried(free: int) -> int:
        return client_processes(spec, 5, PARAMETERS, replace(MACHINE, gpu_free_bytes=free))

    assert [carried(round(n * each / 0.6) + GIB // 100) for n in (1, 2, 4)] == [1, 2, 4]
    assert carried(int(2 * each / 0.6) - GIB // 100) == 1
    assert carried(0) == 1, "one tries in any case, and says what it met"
    assert carried(1000 * GIB) == 5, "there are five clients in a round"


def test_each_process_has_the_cores_of_its_threads() -> None:
    spec = spec_of("135m", "cuda")
    few = replace(MACHINE, cores=3, gpu_free_bytes=1000 * GIB)
    assert client_processes(spec, 5, PARAMETERS, few) == 3


def test_a_cpu_is_filled_by_its_own_memory() -> None:
    spec = spec_of("1.7b", "cpu")
    each = client_memory_bytes(spec, PARAMETERS)
    small = replace(MACHINE, memory_bytes=round(2.5 * each / 0.6))
    assert client_processes(spec, 5, PARAMETERS, small) == 2


def test_a_smoke_run_has_one() -> None:
    assert client_processes(spec_of("1.7b", "cpu", smoke=True), 5, PARAMETERS, MACHINE) == 1


@pytest.mark.parametrize("processes", range(1, 51))
def test_the_parts_of_a_gpu_fit_into_it(processes: int) -> None:
    share = gpu_share(processes)
    assert processes * round(share * 10_000) <= 10_000
    assert int(1 / share) == processes, "Flower divides, and starts that many"


@pytest.mark.parametrize(
    ("processes", "share"), [(1, 1.0), (3, 0.3333), (6, 0.1666), (7, 0.1428), (50, 0.02)]
)
def test_a_part_of_a_gpu_is_whole_ten_thousandths(processes: int, share: float) -> None:
    assert gpu_share(processes) == share
