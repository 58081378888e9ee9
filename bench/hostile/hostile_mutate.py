"""Single-field changes of a record: how many does verify find?"""

from __future__ import annotations

import copy
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from clean_submission import Submission
from hostile_damage import at, places, put
from hostile_fuzz import PLACE, small_submission

from harness.document import canonical_json, sha256_text
from harness.submissions.check import verify


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


FREE = ("timing", "environment", "duration_s", "attempts", "revision")
"""Fields that state a circumstance of one machine: little else in the files depends on them. What
data were used is bound by their digest, whatever revision they are said to be of."""


def is_free(path: tuple[Any, ...]) -> bool:
    """Whether nothing else in a submission depends on the value at `path`."""
    return any(part in FREE for part in path)


def forge(submission: Submission, path: tuple[Any, ...]) -> None:
    """Make every digest fit a changed field again: of the spec, of the chain, the run's name."""
    if path[0] == "spec":
        spec = submission.record["spec"]
        submission.record["spec_digest"] = sha256_text(canonical_json(spec))
        submission.rename()
    if path[0] == "federation" and path[-1] not in ("digest", "previous_digest"):
        try:
            submission.rechain()
        except ValueError:
            return  # No round any more: nothing to make fit.


def mutate(count: int, seed: int) -> dict[str, Any]:
    """Change one field of the record at a time and see whether verify notices.

    `as_submitted`: the manifest is left as it was. `sealed_again`: the manifest is made to fit, as
    a careless forger would. `forged`: so are all digests, so that what is found is found from
    meaning alone.
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
        clean = copy.deepcopy(base.record)
        for _ in range(count):
            path = chance.choice(paths)
            old = at(base.record, path)
            new = other_value(chance, old)
            if new == old:
                continue
            put(base.record, path, new)
            base.write(folder)
            group = "free" if is_free(path) else "meaning"
            found[group] += 1
            missed[group] += verify([folder]).clean
            (folder / "manifest.json").write_bytes(seal)
            missed["as submitted"] += verify([folder]).clean
            forge(base, path)
            base.write(folder)
            if verify([folder]).clean:
                missed["forged"] += 1
                name = ".".join(str(p) if not isinstance(p, int) else "*" for p in path)
                missed[f"at {name}"] += 1
            base.record = copy.deepcopy(clean)
    total = found["meaning"] + found["free"]
    return {
        "mutations": total,
        "as_submitted": share(total, missed["as submitted"]),
        "sealed_again": share(total, missed["meaning"] + missed["free"]),
        "sealed_again_meaning": share(found["meaning"], missed["meaning"]),
        "forged": share(total, missed["forged"]),
        "missed_when_forged": {k: n for k, n in missed.most_common() if k.startswith("at ")},
    }


def share(total: int, missed: int) -> dict[str, Any]:
    """Return how many of `total` were found."""
    return {
        "changes": total,
        "found": total - missed,
        "score": round((total - missed) / max(1, total), 4),
    }
