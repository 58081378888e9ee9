"""A container's or job's limits count where they are lower than the machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.kernel import allowance
from harness.machine.machine import this_machine

GIB = 2**30


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands for /sys/fs/cgroup."""
    monkeypatch.setattr(allowance, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(allowance, "OWN", tmp_path / "own")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: range(64), raising=False)
    return tmp_path / "cgroup"


def group(folder: Path, **files: str) -> None:
    """Write the files of a group; `__` in a name stands for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".", 1)).write_text(text + "\n")


def test_a_container_of_four_gib_and_two_cores(groups: Path) -> None:
    (groups.parent / "own").write_text("0::/\n")
    group(
        groups,
        memory__max=str(4 * GIB),
        memory__current=str(3 * GIB),
        memory__stat=f"anon {GIB}\ninactive_file {GIB}\nactive_file 7",
        cpu__max="150000 100000",
    )
    assert allowance.memory_limit_bytes() == 4 * GIB
    # The cache of files is given back before anybody is ended for want of memory.
    assert allowance.memory_left_bytes() == 2 * GIB
    assert allowance.cores() == 2
    assert this_machine().memory_bytes <= 4 * GIB


def test_a_job_has_the_limits_of_what_it_lies_in(groups: Path) -> None:
    (groups.parent / "own").write_text("0::/slurm/job_7/step_0\n")
    step = groups / "slurm" / "job_7" / "step_0"
    group(step, memory__max="max", memory__current="5", memory__stat="inactive_file 0")
    group(
        step.parent,
        memory__max=str(8 * GIB),
        memory__current=str(9 * GIB),
        memory__stat="inactive_file 0",
        cpu__max="max 100000",
    )
    assert allowance.memory_limit_bytes() == 8 * GIB
    assert allowance.memory_left_bytes() == 0
    assert allowance.cores() == 64


def test_groups_of_version_one_whose_path_is_the_machines(groups: Path) -> None:
    (groups.parent / "own").write_text("4:memory:/docker/0123\n3:cpu,cpuacct:/docker/0123\n0::/\n")
    group(
        groups / "memory",
        memory__limit_in_bytes=str(2 * GIB),
        memory__usage_in_bytes=str(GIB),
        memory__stat=f"inactive_file 9\ntotal_inactive_file {GIB // 2}",
    )
    group(groups / "cpu", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    assert allowance.memory_limit_bytes() == 2 * GIB
    assert allowance.memory_left_bytes() == 3 * GIB // 2
    assert allowance.cores() == 3


@pytest.mark.parametrize("own", [None, "0::/../../other\n", "4:memory:/\n2:cpu:/\n"])
def test_no_limit_is_the_machines(groups: Path, own: str | None) -> None:
    if own is not None:
        (groups.parent / "own").write_text(own)
    group(groups / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert allowance.memory_limit_bytes() is None
    assert allowance.memory_left_bytes() is None
    assert allowance.cores() == 64
