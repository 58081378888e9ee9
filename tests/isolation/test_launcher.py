"""Plugin code cannot read, write, reach or outlive what it is not given; and can where it may."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.isolation import confine, grants, own_mounts
from harness.kernel import calls, landlock

sys.path.insert(0, str(Path(__file__).parent))
from launch import ended, run, start

pytestmark = [
    pytest.mark.skipif(not confine.LINUX, reason="Linux alone holds processes so"),
]

HELD = {"auto": True, "off": False}
POLICIES = pytest.mark.parametrize(("policy", "held"), HELD.items())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the plugin's process."""
    path = tmp_path / "scratch"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def _machine() -> None:
    if landlock.version() < 3:
        pytest.skip("this kernel has no Landlock that could be tried")


@POLICIES
def test_an_evaluation_set_cannot_be_read(
    policy: str, held: bool, folder: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "fpb.parquet"
    rows.write_text("label")
    done = run(f"print(open({str(rows)!r}).read())", folder, policy)
    assert ("Error" in done.said) is held
    assert (done.said == "label\n") is not held


def test_what_it_is_given_can_be_read_through_links(folder: Path, tmp_path: Path) -> None:
    """Hugging Face's cache holds links to files elsewhere."""
    blob = tmp_path / "blobs" / "1"
    blob.parent.mkdir()
    blob.write_text("weights")
    model = tmp_path / "snapshot"
    model.mkdir()
    (model / "model.safetensors").symlink_to(blob)
    code = f"print(open({str(model / 'model.safetensors')!r}).read())"
    assert run(code, folder, allowed=tuple(grants.readable(model))).said == "weights\n"
    assert "Error" in run(code, folder, allowed=((str(model), landlock.READ),)).said


@POLICIES
@pytest.mark.parametrize("place", ["run", "other", "site"])
def test_nothing_can_be_written_outside_of_what_it_keeps(
    place: str, policy: str, held: bool, folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / place / "generations" / "fpb.jsonl"
    target.parent.mkdir(parents=True)
    target.write_text("kept")
    kept = tmp_path / "run" / "checkpoints"
    kept.mkdir(parents=True)
    code = f"open({str(target)!r}, 'w').write('forged'); print('written')"
    done = run(code, folder, policy, allowed=tuple(grants.kept(kept)))
    assert (done.said != "written\n") is held
    assert target.read_text() == ("kept" if held else "forged")


@POLICIES
def test_what_it_keeps_are_ordinary_files(
    policy: str, held: bool, folder: Path, tmp_path: Path
) -> None:
    """A link to an evaluation set would be followed by whoever reads the folder next."""
    kept = tmp_path / "checkpoints"
    kept.mkdir()
    code = f"""
import os
os.chdir({str(kept)!r})
open("one", "w").write("1"); os.replace("one", "two"); os.mkdir("three")
try:
    os.symlink("/etc/passwd", "link")
except OSError:
    print("no link")
try:
    os.mkfifo("pipe")
except OSError:
    print("no pipe")
"""
    done = run(code, folder, policy, allowed=tuple(grants.kept(kept)))
    assert done.said == ("no link\nno pipe\n" if held else "")
    assert (kept / "two").read_text() == "1"


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of somebody who listens on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@POLICIES
def test_nobody_outside_can_be_reached(
    policy: str, held: bool, folder: Path, listener: int
) -> None:
    code = f"import socket; socket.create_connection(('127.0.0.1', {listener}), 5); print('met')"
    done = run(code, folder, policy)
    if done.held["network"] == "open" and held:
        pytest.skip("this machine allows no network namespace")
    assert ("met" in done.said) is not held


@POLICIES
def test_sockets_of_other_programs_lead_to_nobody(
    policy: str, held: bool, folder: Path, tmp_path: Path
) -> None:
    """A container engine's, or a desktop's, starts a program for whoever connects to it."""
    path = tmp_path / "engine.sock"
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r}); print('met')"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        done = run(code, folder, policy)
    if done.held["processes"] != "own process namespace" and held:
        pytest.skip("this machine gives no mounts of its own")
    assert ("met" in done.said) is not held
    assert path.is_socket()


@POLICIES
@pytest.mark.parametrize("where", own_mounts.RUNNING)
def test_a_socket_that_a_program_makes_after_the_start_leads_to_nobody(
    where: str, policy: str, held: bool, folder: Path
) -> None:
    """An engine that is started again, a terminal (tmux) that is opened while the run goes on: no
    list names its socket, and none of another network."""
    try:
        place = tempfile.TemporaryDirectory(dir=where)
    except OSError:
        pytest.skip(f"{where} cannot be written here")
    code = f"""
import socket, time
path = {place.name!r} + "/engine.sock"
open("ready", "w").close()
for _ in range(100):
    try:
        socket.socket(socket.AF_UNIX).connect(path); print("met"); break
    except OSError as error:
        time.sleep(0.02)
"""
    with place, socket.socket(socket.AF_UNIX) as server:
        process = start(code, folder, policy)
        while not (folder / "ready").exists() and process.poll() is None:
            time.sleep(0.01)
        server.bind(f"{place.name}/engine.sock")
        server.listen()
        done = ended(process)
    if done.held["processes"] != "own process namespace" and held:
        pytest.skip("this machine gives no mounts of its own")
    assert ("met" in done.said) is not held


def test_what_is_allowed_is_there_where_programs_keep_their_sockets(folder: Path) -> None:
    """A run in /run/user, or the machine's list of name servers."""
    try:
        place = tempfile.TemporaryDirectory(dir=own_mounts.RUNNING[0])
    except OSError:
        pytest.skip(f"{own_mounts.RUNNING[0]} cannot be written here")
    with place:
        run_dir = Path(place.name) / "run"
        run_dir.mkdir()
        (Path(place.name) / "names").write_text("127.0.0.1")
        allowed = ((f"{place.name}/names", landlock.READ), *grants.kept(run_dir))
        code = f"open({str(run_dir / 'made')!r}, 'w').write(open({place.name!r} + '/names').read())"
        assert run(code, folder, allowed=allowed).said == ""
        assert (run_dir / "made").read_text() == "127.0.0.1"


def test_what_a_link_in_such_a_place_leads_to_is_there_by_the_link_s_name(folder: Path) -> None:
    """A mirror of links, a data set in Hugging Face's cache, and a run by another name, in /tmp."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(os.path.realpath(name))
        for part in ("blobs", "mirror", "snapshot", "runs"):
            (place / part).mkdir()
        (place / "blobs" / "1").write_text("rows ")
        (place / "blobs" / "model").mkdir()
        (place / "blobs" / "model" / "weights").write_text("weights")
        rows, model = place / "snapshot" / "train.parquet", place / "mirror" / "model"
        rows.symlink_to("../blobs/1")
        model.symlink_to(place / "blobs" / "model")
        (place / "by-name").symlink_to("runs")
        run_dir = place / "by-name"
        allowed = (*grants.readable(rows), *grants.readable(model), *grants.kept(run_dir))
        code = f"""
made = open({str(run_dir / "made")!r}, "w")
made.write(open({str(rows)!r}).read() + open({str(model / "weights")!r}).read())
"""
        assert run(code, folder, allowed=allowed).said == ""
        assert (place / "runs" / "made").read_text() == "rows weights"


def test_a_place_of_sockets_that_is_allowed_as_a_whole_is_there(folder: Path) -> None:
    """Data that lie directly in /tmp."""
    where = os.path.realpath(tempfile.gettempdir())
    with tempfile.NamedTemporaryFile("w", dir=where) as file:
        file.write("row")
        file.flush()
        done = run(f"print(open({file.name!r}).read())", folder, allowed=((where, landlock.READ),))
    assert done.said == "row\n"


@POLICIES
def test_nothing_is_left_in_the_kernel_s_keys(policy: str, held: bool, folder: Path) -> None:
    """They outlive all processes of a run: its repetition could find the adapter there."""
    code = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
add = {"x86_64": 248, "aarch64": 217}[platform.machine()]
ring = ctypes.c_long(-2)  # of this process alone: the test leaves nothing either
key = libc.syscall(ctypes.c_long(add), b"user", b"harness", b"x", ctypes.c_long(1), ring)
print("kept" if key > 0 else ctypes.get_errno())
"""
    assert run(code, folder, policy).said == ("1\n" if held else "kept\n")


@POLICIES
def test_sockets_that_belong_to_no_network_are_refused(
    policy: str, held: bool, folder: Path
) -> None:
    """AF_VSOCK leads from a virtual machine to whoever runs it."""
    code = """
import errno, socket
socket.socket(socket.AF_INET).close(); socket.socket(socket.AF_UNIX).close()
try:
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); print("made")
except OSError as error:
    print("refused" if error.errno == errno.EPERM else "made")
"""
    assert run(code, folder, policy).said == ("refused\n" if held else "made\n")


DETOURS = {
    "a ring that opens sockets of every family": "libc.syscall(425, 8, block)",
    "a user namespace with every right in it": "libc.unshare(0x10000000)",
    "the same, of a new process": "fork_with(0x10000000)",
    "a network namespace of a new process": "fork_with(0x50000000)",
}
"""What leads round a filter of calls, or to rights that this process has given up -> how."""


@POLICIES
@pytest.mark.parametrize("way", DETOURS)
def test_what_leads_round_the_filter_is_refused(
    way: str, policy: str, held: bool, folder: Path
) -> None:
    code = f"""
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
block = ctypes.create_string_buffer(120)
def fork_with(flags):
    number = {{"x86_64": 56, "aarch64": 220}}[platform.machine()]
    child = libc.syscall(number, ctypes.c_long(flags | 17), None, None, None, None)
    if child == 0:
        os._exit(0)
    return child
made = {DETOURS[way]}
print("made" if made >= 0 else errno.errorcode[ctypes.get_errno()])
"""
    if not held and run(code, folder, policy).said != "made\n":
        pytest.skip("this machine refuses it to everybody")
    assert (run(code, folder, policy).said == "EPERM\n") is held


def test_threads_and_programs_start_under_the_filter(folder: Path) -> None:
    code = """
import subprocess, sys, threading
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
sys.stdout.flush()
subprocess.run([sys.executable, "-I", "-c", "print('program')"], stdout=2, check=True)
"""
    assert run(code, folder).said == "thread\nprogram\n"


@POLICIES
def test_memory_that_runs_out_is_taken_from_it_first_and_it_leaves_no_dump(
    policy: str, held: bool, folder: Path
) -> None:
    """Files in memory are no process's: Linux would end one after another, and these last."""
    code = """
import resource
print(open("/proc/self/oom_score_adj").read().strip() == "1000")
try:
    open("/proc/self/oom_score_adj", "w").write("0"); print("taken back")
except OSError:
    print("kept")
print(resource.getrlimit(resource.RLIMIT_CORE)[1] == 1)
"""
    taken_first = ["True", "kept", "True"]
    as_others = ["False", "taken back", "False"]
    assert run(code, folder, policy).said.split("\n")[:-1] == (taken_first if held else as_others)


def test_it_starts_a_bounded_number_of_processes(folder: Path) -> None:
    code = """
import os, resource
print(open("/proc/sys/kernel/pid_max").read(), resource.getrlimit(resource.RLIMIT_NPROC)[0])
"""
    before = Path("/proc/sys/kernel/pid_max").read_text()
    done = run(code, folder)
    own = done.held["processes"] == "own process namespace"
    if not own or not (os.geteuid() or calls.linux() >= (6, 14)):
        pytest.skip("this machine cannot count them alone")
    most = confine.FEWEST_TASKS + confine.TASKS_PER_CORE * (os.cpu_count() or 1)
    assert any(0 < int(bound) <= most for bound in done.said.split())
    assert Path("/proc/sys/kernel/pid_max").read_text() == before, "the machine's own"


CHANGES = """
import os, sys
for change, value in (os.chmod, (0o777,)), (os.utime, ((1, 1),)), (os.chown, (1, 1)):
    try:
        change(sys.argv[1], *value)
        print("changed")
    except OSError as error:
        print(error.strerror)
"""


@POLICIES
def test_modes_times_and_owners_of_what_is_there_stay(
    policy: str, held: bool, folder: Path, tmp_path: Path
) -> None:
    """Landlock does not know them: root's plugin could open any file to everybody."""
    path = tmp_path / "key"
    path.write_text("secret")
    path.chmod(0o600)
    before = path.stat()
    done = run(f"import sys; sys.argv = ['', {str(path)!r}]" + CHANGES, folder, policy)
    if done.held["processes"] != "own process namespace" and held:
        pytest.skip("this machine gives no mounts of its own")
    assert ("changed" not in done.said) is held
    now = path.stat()
    same = [getattr(before, name) == getattr(now, name) for name in ("st_mode", "st_mtime")]
    assert all(same) is held


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no shared memory by name here")
def test_shared_memory_by_name_is_its_own_and_ends_with_it(folder: Path, tmp_path: Path) -> None:
    """A repetition would find there what the run has left; and memory would be gone."""
    path = Path("/dev/shm") / f"left-{os.getpid()}"
    done = run(f"print(open({str(path)!r}, 'w').write('adapter'))", folder)
    if done.held["processes"] != "own process namespace":
        path.unlink(missing_ok=True)
        pytest.skip("this machine gives no mounts of its own")
    assert done.said == "7\n"
    assert not path.exists()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no shared memory by name here")
def test_a_run_that_lies_in_shared_memory_is_kept_there_and_nothing_else_of_it() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder, kept, model = (Path(name) / part for part in ("own", "run/checkpoints", "model"))
        for path in (folder, kept, model):
            path.mkdir(parents=True)
        rounds, answers = kept.parent / "rounds.jsonl", kept.parent / "answers.jsonl"
        for path in (rounds, answers, model / "weights"):
            path.write_text("kept")
        code = f"""
for path in {[*map(str, (kept / "one", rounds, answers, model / "weights"))]}:
    try:
        print(open(path, "a").write("!"))
    except OSError as error:
        print(error.strerror)
print(open({str(model / "weights")!r}).read())
"""
        allowed = (*grants.kept(kept), *grants.kept(rounds), *grants.readable(model))
        done = run(code, folder, allowed=allowed)
        if done.held["processes"] != "own process namespace":
            pytest.skip("this machine gives no mounts of its own")
        assert done.said == "1\n1\n1\nRead-only file system\nkept\n", "answers.jsonl is its own"
        assert [(kept / "one").read_text(), rounds.read_text()] == ["!", "kept!"]
        assert [answers.read_text(), (model / "weights").read_text()] == ["kept", "kept"]


def test_its_own_processes_reach_each_other(folder: Path) -> None:
    """Ray's do, on 127.0.0.1."""
    code = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    with socket.create_connection(server.getsockname(), 5): print("met")
"""
    assert run(code, folder).said == "met\n"


LEAVES = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("left", "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not os.path.exists("left") or not open("left").read(): time.sleep(0.01)
"""
"""Forks twice into a session of its own, and ends."""


@pytest.mark.parametrize(
    ("policy", "lacking", "how"),
    [
        ("auto", (), "own process namespace"),
        ("auto", ("namespaces",), "subreaper"),
        ("off", (), "watched"),
    ],
)
def test_what_it_leaves_behind_ends_with_it(
    policy: str, lacking: tuple[str, ...], how: str, folder: Path
) -> None:
    reader, writer = os.pipe()
    process = start(LEAVES, folder, policy, lacking=lacking, keep=writer)
    os.close(writer)
    with open(reader, "rb") as held_by_all:
        assert process.wait(60) == 0
        gone = bool(select.select([held_by_all], [], [], 5 if policy == "auto" else 1)[0])
    if not gone:
        os.kill(int((folder / "left").read_text()), signal.SIGKILL)
    done = ended(process)
    if done.held["processes"] == "subreaper" and not lacking:
        pytest.skip("this machine allows no process namespace")
    assert (gone, done.held["processes"]) == (policy == "auto", how)


def test_all_of_it_ends_when_whoever_started_it_is_gone(folder: Path) -> None:
    reader, writer = os.pipe()
    process = start("import time; print('up', flush=True); time.sleep(600)", folder, keep=writer)
    os.close(writer)
    assert process.stderr is not None
    assert process.stderr.readline() == "up\n"
    assert process.stdin is not None
    process.stdin.close()  # as the kernel does
    with open(reader, "rb") as held_by_all:
        assert select.select([held_by_all], [], [], 10)[0]
    process.wait(10)
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize(
    ("policy", "lacking", "held"),
    [("auto", (), True), ("auto", ("namespaces",), True), ("off", (), False)],
)
def test_nobody_outside_can_be_signalled(
    policy: str, lacking: tuple[str, ...], held: bool, folder: Path
) -> None:
    if lacking and landlock.version() < 6:
        pytest.skip("this kernel's Landlock knows no signals")
    with subprocess.Popen(["sleep", "60"]) as other:
        done = run(f"import os; os.kill({other.pid}, 15)", folder, policy, lacking=lacking)
        time.sleep(0.1)
        assert (other.poll() is None) is held, done
        other.kill()


def test_the_command_line_that_started_it_cannot_be_seen(folder: Path) -> None:
    """A plugin that behaves well where it is repeated would look for it there."""
    code = f"print(open('/proc/{os.getpid()}/cmdline').read())"
    done = run(code, folder)
    if done.held["processes"] != "own process namespace":
        pytest.skip("this machine allows no process namespace")
    assert "FileNotFoundError" in done.said


def test_root_keeps_no_right_that_leads_out(folder: Path) -> None:
    code = "print([line for line in open('/proc/self/status') if line.startswith('CapEff')][0])"
    mask = int(run(code, folder).said.split()[1], 16)
    assert mask & ~sum(1 << number for number in confine.KEPT_RIGHTS) == 0


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ((), []),
        (("landlock",), ["no Landlock: files can be read and written"]),
        (("namespaces",), ["no network namespace: Operation not permitted"]),
    ],
)
@pytest.mark.parametrize("policy", ["auto", "required"])
def test_what_a_machine_lacks_is_told_and_stops_what_requires_it(
    policy: str, lacking: tuple[str, ...], said: list[str], folder: Path
) -> None:
    done: Any = run("print('ran')", folder, policy, lacking=lacking)
    if not lacking and done.held["missing"]:
        pytest.skip("this machine lacks something itself")
    assert done.held["missing"] == said
    assert (done.said == "ran\n") is not (policy == "required" and bool(said))


def test_an_old_kernel_still_gives_processes_of_its_own(folder: Path) -> None:
    done = run("print('ran')", folder, lacking=("landlock", "mount_setattr"))
    assert done.held["processes"] == run("", folder).held["processes"]
    assert done.said == "ran\n"


def test_a_command_that_cannot_be_started_is_no_silence(folder: Path) -> None:
    done = run("raise SystemExit(7)", folder)
    assert done.code == 7
    assert ended(start("import os; os.kill(os.getpid(), 9)", folder)).code == 128 + 9


WRITES = """
import os, threading
def tried(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
        return "written"
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)
print("thread", tried(f"/proc/self/task/{threading.get_native_id()}/comm", "cuda"))
with open("/proc/sys/kernel/hostname") as file:
    name = file.read()
print("setting", tried("/proc/sys/kernel/hostname", name))
print("trigger", tried("/proc/sysrq-trigger", ""))
print("parent", tried("/proc/1/mem", "x"), tried(f"/proc/{os.getppid()}/comm", "x"))
"""


@pytest.mark.parametrize("driver", [False, True])
def test_a_gpus_driver_names_its_threads_and_nothing_else_of_proc_is_written(
    driver: bool, folder: Path
) -> None:
    """CUDA 13 finds no GPU (error 304) where its thread's name cannot be written."""
    done = run(WRITES, folder, driver=driver)
    if done.held["processes"] != "own process namespace":
        pytest.skip("this machine gives no process namespace")
    said = dict(line.split(" ", 1) for line in done.said.splitlines())
    assert said.pop("thread") == ("written" if driver else "PermissionError 13")
    assert "written" not in " ".join(said.values())
    assert done.held["missing"] == []


def test_a_gpus_driver_without_a_proc_of_its_own_is_said(folder: Path) -> None:
    done = run(WRITES, folder, driver=True, lacking=("namespaces",))
    said = dict(line.split(" ", 1) for line in done.said.splitlines())
    assert said["thread"] == "written"
    open_settings = os.geteuid() == 0 and not os.statvfs("/proc/sys").f_flag & os.ST_RDONLY
    assert any("settings can be written" in why for why in done.held["missing"]) is open_settings
    assert "written" not in said["parent"]
