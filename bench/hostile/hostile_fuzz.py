"""Damaged submissions, claims and projects: verify and import must answer with findings."""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from clean_submission import Submission
from hostile_damage import RAW, damage_bytes, damage_value

from harness.claims.findings import claim_findings
from harness.claims.importing.claim import import_project
from harness.errors import HarnessError
from harness.submissions.check import check, verify
from harness.verify.targets import find_targets

PLACE = "submissions/finance/pretend"
PROJECT = "project"
CLAIM = Path(__file__).resolve().parents[2] / "submissions/finance/ethicalabs-smollm2-1.7b"


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
    """Return a clean submission with its weights."""
    s = Submission()
    s.add_weights()
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
