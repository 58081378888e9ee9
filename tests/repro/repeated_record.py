"""A record, repeated with its recorded versions: harness and plugins from its commit, the rest from
this environment or the package registry, in an environment made for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from linked_libraries import ENTRY_POINTS, has_all, link_libraries

from harness.machine.versions import HARNESS, installed_versions

ROOT = Path(__file__).resolve().parents[2]
DIGESTS = (
    "import json, sys; from harness.plugins import load;"
    "print(json.dumps({name: load(name).ref.digest for name in sys.argv[1:]}))"
)
Hide = Callable[[list[str], Path, list[str]], None]
"""(command of a plain run, where it stands, what no variable may name); see
`harness.processes.plain_looks.take_plain_looks`."""
PLACES = ("--mirror", "--out", "--adapter")
"""Options of `harness reproduce` whose value is a path."""


def repeat_record(
    path: Path,
    folder: Path,
    install: list[str],
    arguments: list[str],
    hide: Hide = lambda command, folder, hidden: None,
) -> int:
    """Repeat the record at `path`; return the exit code of `harness reproduce`.

    Args:
        path: `result.json`, or a folder with one.
        folder: for the environment; the caller deletes it.
        install: where further plugins are, as pip takes it.
        arguments: of `harness reproduce`.
        hide: called before the plugins that are repeated could see this process.
    """
    result = (path / "result.json" if path.is_dir() else path).absolute()
    if not result.is_file():
        raise SystemExit(f"{result}: no such file; a claim without a result cannot be repeated")
    record = json.loads(result.read_text("utf-8"))
    python, recorded = record["environment"]["python"], record["environment"]["packages"]
    plugins = {ref["name"]: ref["digest"] for ref in record["plugins"]}
    say("record", f"{record['spec']['plugin']}/{record['spec']['recipe']}, {spent(record)}")
    here = ".".join(str(part) for part in sys.version_info[:3])
    say("python", here if here == python else f"{here}, recorded with {python}")
    program = Path(sys.executable)
    if (
        not install
        and installed_versions(recorded) == recorded
        and digests(program, plugins) == plugins
    ):
        say("versions", f"this environment has all {len(recorded)} recorded ones")
    else:
        program = build(record, folder, install)
    found = digests(program, plugins)
    for name, digest in plugins.items():
        if found.get(name) != digest:
            have = f"digest {found[name][:12]}" if name in found else "not installed"
            raise SystemExit(
                f"plugin {name}: {have}, the record was made with {digest[:12]}; pass the source"
                " that made it: tox -e repro -- PATH --install WHERE"
            )
    say("plugins", ", ".join(f"{name} {digest[:12]}" for name, digest in plugins.items()))
    command = [str(program.with_name("harness")), "reproduce", str(result), *absolute(arguments)]
    say("running", " ".join(["harness", *command[1:]]))
    # Clients of version 0.1.0 import what lies in the current folder: in a clone, another harness.
    empty = folder / "empty"
    empty.mkdir()
    sys.stdout.flush()
    hide([str(program.with_name("harness")), "run"], empty, [str(result.parent)])
    return subprocess.run(command, check=False, env=environment(), cwd=empty).returncode


def absolute(arguments: list[str]) -> list[str]:
    """Return arguments of `harness reproduce` that mean the same in every folder."""
    given = []
    for before, argument in zip([None, *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        if before in PLACES:
            argument = str(Path(argument).absolute())
        elif name in PLACES and equals:
            argument = f"{name}={Path(value).absolute()}"
        given.append(argument)
    return given


def build(record: dict[str, Any], folder: Path, install: list[str]) -> Path:
    """Make an environment of the recorded versions; return its Python."""
    source = source_of(record["environment"].get("git"), folder / "source")
    recorded = dict(record["environment"]["packages"])
    recorded.pop(HARNESS, None)
    # A local label such as +cpu names a build of the same version; registries list it without.
    pins = {name: text.partition("+")[0] for name, text in recorded.items()}
    constraints = folder / "recorded.txt"
    constraints.write_text(merged(source / "constraints.txt", pins))
    own = own_plugins(source)
    wanted = [own[ref["name"]] for ref in record["plugins"] if ref["name"] in own]
    begin = time.monotonic()
    linked = has_all(recorded, constraints.read_text().splitlines())
    venv.create(folder / "env", with_pip=not linked)
    if linked:
        link_libraries(folder / "env")
    program = folder / "env" / "bin" / "python"
    pip = [str(program), "-m", "pip", "install", "-q", "-c", str(constraints)]
    targets = [f"{source}[run]", *(str(item) for item in wanted), *install]
    exact = [f"{name}=={text}" for name, text in pins.items()]
    if subprocess.run([*pip, *targets, *exact], check=False, env=environment()).returncode:
        raise SystemExit("the recorded versions cannot be installed here; pip says why above")
    took = time.monotonic() - begin
    how = "linked from this environment" if linked else "installed"
    say("versions", f"{len(pins)} recorded ones {how} in {took:.0f} s")
    return program


def source_of(git: dict[str, Any] | None, folder: Path) -> Path:
    """Return a checkout of the recorded commit, or this one where that cannot be had."""
    if git is None:
        say("source", "this checkout; the record names no commit")
        return ROOT
    commit = str(git["commit"])
    known = (
        re.fullmatch("[0-9a-f]{40}", commit)
        and not subprocess.run(
            ["git", "-C", str(ROOT), "cat-file", "-e", f"{commit}^{{commit}}"],
            check=False,
            stderr=subprocess.DEVNULL,
        ).returncode
    )
    if not known:
        say("source", f"this checkout; it does not hold the recorded commit {commit[:12]}")
        return ROOT
    folder.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit], check=True, stdout=subprocess.PIPE
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    changed = ", which had been changed when the record was made" if git["dirty"] else ""
    say("source", f"commit {commit[:12]}{changed}")
    return folder


def own_plugins(source: Path) -> dict[str, Path]:
    """Return plugin name -> folder of the distributions below `source/plugins`."""
    found = {}
    for project in sorted((source / "plugins").glob("*/pyproject.toml")):
        points = tomllib.loads(project.read_text("utf-8"))["project"].get("entry-points", {})
        found |= dict.fromkeys(points.get(ENTRY_POINTS, {}), project.parent)
    return found


def merged(constraints: Path, pins: dict[str, str]) -> str:
    """Return the constraints of a checkout, but for what the record pins itself."""
    lines = constraints.read_text("utf-8").splitlines() if constraints.is_file() else []
    kept = [line for line in lines if "==" in line and line.split("==")[0].strip() not in pins]
    return "".join(f"{line}\n" for line in kept)


def digests(program: Path, plugins: dict[str, str]) -> dict[str, str]:
    """Return the digests of those plugins that `program` can load."""
    found: dict[str, str] = {}
    for name in plugins:
        done = subprocess.run(
            [str(program), "-I", "-c", DIGESTS, name],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        found |= json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def environment() -> dict[str, str]:
    """Return this environment, but able to reach the hub: the model and the data may lie there."""
    hidden = ("HF_HUB_OFFLINE", "PYTHONPATH")
    given = {name: value for name, value in os.environ.items() if name not in hidden}
    if given.get("HARNESS_MIRROR"):
        given["HARNESS_MIRROR"] = str(Path(given["HARNESS_MIRROR"]).absolute())
    return given


def spent(record: dict[str, Any]) -> str:
    """Say how long the recorded run took, and on what."""
    timing = record["timing"]
    minutes = ", ".join(f"{name} {seconds / 60:.1f} min" for name, seconds in timing.items())
    rounds = len(record["federation"]["rounds"])
    return f"{rounds} rounds; took {minutes} on {record['environment']['device']['name']}"


def say(topic: str, text: str) -> None:
    """Print one line of the report."""
    print(f"{topic:<10}{text}", flush=True)
