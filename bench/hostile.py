"""Strangers' submissions: random damage must give findings, never a traceback; and every change of
meaning must be found.

    python bench/hostile.py fuzz [--count 10000]        damaged submissions, claims and projects
    python bench/hostile.py mutate [--count 2000]       single-field changes: how many are found

Both start from the synthetic clean submission of the tests. Output: one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from clean_submission import Submission

from harness.errors import HarnessError
from harness.importing.claim import import_project
from harness.verify.check import check, verify
from harness.verify.claim_findings import claim_findings
from harness.verify.targets import find_targets

PLACE = "submissions/finance/pretend"
PROJECT = "project"

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 0.0, -0.0, 1e-300, 1e300,
    "", " ", "0", "a" * 100_000, "\u202e", "\x00", "\x1b[31m", "\ud800",
    "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "../../../etc/passwd", "${jndi:ldap://x}",
    "%s%n", [], {}, [[]], {"a": {}},
    [None] * 1000,
)  # fmt: skip

RAW = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 100_000, b"{" * 1000, b'{"a":NaN}',
    b'{"a":1,"a":2}', b"Infinity", b"1e999999", b"\x80\x04.", b"PK\x03\x04", b"null", b'"\\ud800"',
    b'{"schema":"flowertune-harness/result","schema_version":99}', b"-" * 5000, b"9" * 50_000,
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"a: &a [*a,*a]\n",
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a JSON value."""
    if path:
        yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from places(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    """Replace the value at a path."""
    at(value, path[:-1])[path[-1]] = new


def damage_value(chance: random.Random, value: Any) -> Any:
    """Return a JSON value with one to four things replaced, removed, doubled or renamed."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 4)):
        path = chance.choice(list(places(value)) or [()])
        if not path:
            return chance.choice(NASTY)
        owner = at(value, path[:-1])
        kind = chance.random()
        if kind < 0.6:
            owner[path[-1]] = copy.deepcopy(chance.choice(NASTY))
        elif kind < 0.75:
            del owner[path[-1]]
        elif isinstance(owner, list):
            owner.append(copy.deepcopy(owner[path[-1]]))
        else:
            owner[chance.choice(["x", "", "schema", "\u202e", "__class__"])] = owner[path[-1]]
    return value


def damage_bytes(chance: random.Random, data: bytes) -> bytes:
    """Return bytes with a few of them changed, cut, doubled, or all replaced."""
    kind = chance.random()
    if kind < 0.2 or not data:
        return chance.choice(RAW)
    if kind < 0.4:
        return data[: chance.randrange(len(data))]
    if kind < 0.5:
        start = chance.randrange(len(data))
        return data[:start] + data[start : start + 500] * 3 + data[start:]
    changed = bytearray(data)
    for _ in range(chance.randint(1, 20)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def fuzz_once(chance: random.Random, clean: dict[str, bytes], folder: Path) -> None:
    """Write a damaged submission and verify it; a traceback ends the run."""
    files = dict(clean)
    for _ in range(chance.randint(1, 2)):
        name = chance.choice(sorted(files))
        if name.endswith(".json") and chance.random() < 0.7:
            try:
                value = damage_value(chance, json.loads(clean.get(name, b"{}")))
                files[name] = json.dumps(value).encode("utf-8", "surrogatepass")
            except ValueError:
                files[name] = chance.choice(RAW)
        elif chance.random() < 0.1:
            del files[name]
        else:
            files[name] = damage_bytes(chance, files[name])
        if not files:
            return
    for name in clean:
        path = folder / name
        if name not in files:
            path.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != files[name]:
            path.write_bytes(files[name])
    targets = list(find_targets(folder)) if (folder / "result.json").exists() else []
    for target in targets:
        check(target)


CLAIM = Path(__file__).resolve().parent.parent / "submissions/finance/ethicalabs-smollm2-1.7b"


def fuzz_claim(chance: random.Random, folder: Path) -> None:
    """Verify a damaged claim; a traceback ends the run."""
    data = (CLAIM / "claim.json").read_bytes()
    if chance.random() < 0.7:
        value = damage_value(chance, json.loads(data))
        data = json.dumps(value).encode("utf-8", "surrogatepass")
    else:
        data = damage_bytes(chance, data)
    (folder / "claim.json").write_bytes(data)
    [target] = find_targets(folder)
    check(target)


def write_project(folder: Path) -> dict[str, bytes]:
    """Write a small FlowerTune project of the code board; return its files."""
    readme = "| HumanEval | MBPP | JS | C++ | Avg |\n|-|-|-|-|-|\n"
    readme += "| 50.00 | 20.00 | 1.24 | 1.24 | 18.12 |"
    readme += "\n\nCommunication budget: 12.5 MB\n\n1924.52 seconds (00:32:04)\n"
    config = "[tool.flwr.app.config]\nmodel.name = 'x/y'\nnum-server-rounds = 3\n"
    config += "[tool.flwr.app.config.static]\ndataset.name = 'flwrlabs/code-alpaca-20k'\n"
    files = {
        "README.md": readme.encode(),
        "pyproject.toml": config.encode(),
        "comm.txt": b"used 6.25 MB (+6.25 MB this round)\nused 12.50 MB (+6.25 MB this round)",
        "adapter_config.json": b'{"r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}',
        "results/evaluation_results_mbpp.json": b'{"mbpp": {"pass@1": 0.2}}',
        "results/generation_fpb_fl.jsonl": b'{"context":"a","new_target":"b","new_out":"b"}\n',
        "results/acc_fpb_fl.txt": b"Accuracy: 1.0. ",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files


def fuzz_project(chance: random.Random, files: dict[str, bytes], folder: Path) -> None:
    """Import a damaged project: a claim and its findings, or one line of refusal."""
    for name, data in files.items():
        (folder / name).write_bytes(damage_bytes(chance, data) if chance.random() < 0.4 else data)
    try:
        claim = import_project(folder, challenge=chance.choice(["code", "finance", None]))
    except HarnessError:
        return
    claim_findings(claim)


def small_submission() -> Submission:
    """Return a clean submission, weights included, of a short evaluation: a quick check."""
    from clean_submission import score_of

    from harness.challenge import load_challenge

    s = Submission()
    s.add_weights()
    s.respec(lambda spec: spec.update(evaluation_rows=40))
    challenge = load_challenge("finance")
    s.generations = {task: rows[:40] for task, rows in s.generations.items()}
    s.record["scores"] = [score_of(challenge, t, s.generations[t]) for t in s.generations]
    s.record["average"] = sum(i["value"] for i in s.record["scores"]) / 3
    s.record["eligible"] = False
    s.record["ineligible_because"] = ["only the first 40 rows of each set were evaluated"]
    return s


def fuzz(count: int, seed: int) -> dict[str, Any]:
    """Verify or import `count` damaged things: three submissions, a claim, a project, and again."""
    chance = random.Random(seed)
    slowest, begin = 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = small_submission().write(Path(temporary) / PLACE)
        assert verify([folder]).clean
        clean = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        claims = Path(temporary) / "submissions" / "finance" / CLAIM.name
        claims.mkdir()
        project = Path(temporary) / PROJECT
        files = write_project(project)
        for number in range(count):
            before = time.monotonic()
            try:
                if number % 5 == 3:
                    fuzz_claim(chance, claims)
                elif number % 5 == 4:
                    fuzz_project(chance, files, project)
                else:
                    fuzz_once(chance, clean, folder)
            except Exception as error:
                print(f"mutation {number} of seed {seed}: {type(error).__name__}: {error}")
                raise
            slowest = max(slowest, time.monotonic() - before)
        ours = (folder, claims, project)
        outside = [
            path
            for path in Path(temporary).rglob("*")
            if path.is_file() and not any(path.is_relative_to(item) for item in ours)
        ]
    return {
        "mutations": count,
        "tracebacks": 0,
        "slowest_s": round(slowest, 3),
        "duration_s": round(time.monotonic() - begin, 1),
        "files_written_elsewhere": len(outside),
    }


def other_value(chance: random.Random, value: Any) -> Any:
    """Return a value of the same type that means something else."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + chance.choice([-1, 1, 7, max(1, abs(value) // 2)])
    if isinstance(value, float):
        return value * chance.choice([0.5, 0.9, 1.1, 2.0]) + chance.choice([0.0, 0.001])
    if value is None:
        return chance.choice([0.5, 3])
    if not value:
        return "x"
    index = chance.randrange(len(value))
    new = chance.choice([c for c in "abcdef0123456789" if c != value[index]])
    return value[:index] + new + value[index + 1 :]


FREE = (
    "run_id", "created", "timing", "environment", "duration_s", "attempts", "source", "revision",
    "title", "licence", "former", "notes",
)  # fmt: skip
"""Fields that state a circumstance of one machine or person: nothing else in the files depends on
them, so that only the manifest notices a change."""


def is_free(path: tuple[Any, ...]) -> bool:
    """Whether nothing else in a submission depends on the value at `path`."""
    return any(part in FREE for part in path)


def mutate(count: int, seed: int) -> dict[str, Any]:
    """Change one field of the record at a time and see whether verify notices.

    `sealed_again`: the manifest is made to fit the changed file, as a forger would; what is found
    then is found from meaning alone. `as_submitted`: the manifest is left as it was.
    """
    chance = random.Random(seed)
    base = small_submission()
    paths = [
        path for path in places(base.record) if not isinstance(at(base.record, path), dict | list)
    ]
    found: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = base.write(Path(temporary) / PLACE)
        seal = (folder / "manifest.json").read_bytes()
        for _ in range(count):
            path = chance.choice(paths)
            old = at(base.record, path)
            new = other_value(chance, old)
            if new == old:
                continue
            put(base.record, path, new)
            base.write(folder)
            put(base.record, path, old)
            group = "free" if is_free(path) else "meaning"
            found[group] += 1
            if verify([folder]).clean:
                missed[group] += 1
                missed[
                    "at " + ".".join(str(p) if not isinstance(p, int) else "*" for p in path)
                ] += 1
            (folder / "manifest.json").write_bytes(seal)
            if verify([folder]).clean:
                missed["as submitted"] += 1
    total = found["meaning"] + found["free"]
    return {
        "mutations": total,
        "as_submitted": share(total, missed["as submitted"]),
        "sealed_again_meaning": share(found["meaning"], missed["meaning"]),
        "sealed_again_free": share(found["free"], missed["free"]),
        "missed_places": {k: n for k, n in missed.most_common() if k.startswith("at ")},
    }


def share(total: int, missed: int) -> dict[str, Any]:
    """Return how many of `total` were found."""
    return {
        "changes": total,
        "found": total - missed,
        "score": round((total - missed) / max(1, total), 4),
    }


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["fuzz", "mutate"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    run: Callable[[int, int], dict[str, Any]] = {"fuzz": fuzz, "mutate": mutate}[options.what]
    count = options.count or {"fuzz": 10_000, "mutate": 2_000}[options.what]
    print(json.dumps(run(count, options.seed), indent=1))


if __name__ == "__main__":
    main()
