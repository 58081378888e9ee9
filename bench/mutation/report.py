"""Print the survivors of a session and its figures.

python bench/mutation/report.py SESSION
"""

from __future__ import annotations

import json
import sys
from collections import Counter

from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import WorkerOutcome


def main() -> None:
    """Print one block a survivor and one line for what took too long, then one JSON object."""
    found: dict[str, Counter[str]] = {}
    with use_db(sys.argv[1]) as database:
        items = {item.job_id: item.mutations[0] for item in database.work_items}
        for job, result in database.results:
            if result.worker_outcome == WorkerOutcome.SKIPPED:
                continue
            mutation = items[job]
            room = mutation.module_path.parts[1]
            killed = result.is_killed and result.worker_outcome == WorkerOutcome.NORMAL
            if result.output == "timeout":
                print(f"{mutation.module_path}:{mutation.start_pos[0]} took too long\n")
            found.setdefault(room, Counter())["killed" if killed else "survived"] += 1
            if not killed:
                print(f"{mutation.module_path}:{mutation.start_pos[0]} {mutation.operator_name}")
                changes = (result.diff or result.output or "").splitlines()
                print("\n".join(line for line in changes if line[:1] in "+-" and line[:3] not in
                                ("+++", "---")) + "\n")  # fmt: skip
        waiting = sum(1 for _ in database.pending_work_items)
    killed, survived = (
        sum(item[name] for item in found.values()) for name in ("killed", "survived")
    )
    total = killed + survived
    figures = {
        "mutants": total, "killed": killed, "share": round(killed / total, 4) if total else None,
        "not_run": waiting, "rooms": {name: dict(item) for name, item in sorted(found.items())},
    }  # fmt: skip
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
