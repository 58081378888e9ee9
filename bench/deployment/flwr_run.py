"""The reference recipe's smoke app, exported and run by Flower's own `flwr run`.

    python bench/deployment/flwr_run.py [RECIPE]

Prints the digest of each round and of the adapter. Takes two to five minutes on two cores.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness.document import read_document, sha256_file
from harness.federation.simulation.environment import child_environment
from harness.federation.storage.ledger import Ledger
from harness.federation.superlink.app_directory import APP_PACKAGE
from harness.federation.superlink.local_superlink import local_superlink, program
from harness.library_internals.ray import ray_folder
from harness.processes.lifetime import Guardian
from harness.spec import RunSpec


def main(recipe: str) -> None:
    """Export, build and run the app of a recipe's smoke run."""
    place = Path(tempfile.mkdtemp(prefix="flwr-run-"))
    app, out = place / "app", place / "run"
    export = [program("harness"), "export", str(app), "--plugin", recipe, "--smoke", "--seed", "7"]
    subprocess.run(export, check=True)
    subprocess.run([program("flwr"), "build", "--app", str(app)], cwd=place, check=True)
    [line] = re.findall(r"^    flwr (run .+)$", (app / "README.md").read_text(), re.M)
    words = shlex.split(line)
    spec = read_document(RunSpec, app / APP_PACKAGE / "spec.json")
    home = Path(ray_folder("harness-flwr-"))
    begin = time.monotonic()
    with (
        Guardian(str(home)),
        local_superlink(home, child_environment(spec, str(home)), place, threading.Event()) as own,
    ):
        words.insert(words.index(".") + 1, own[0])
        command = [program("flwr"), *words, "--run-config", f'run-dir="{out}"']
        with (place / "flwr-run.log").open("w") as log:
            subprocess.run(command, cwd=app, env=dict(own[1]), check=True, stdout=log, stderr=log)
    print(f"{recipe}: flwr run took {time.monotonic() - begin:.0f} s; {place}/flwr-run.log")
    for item in Ledger(out).rounds:
        print(f"round {item.round}: {item.digest}")
    print(f"adapter {sha256_file(out / 'adapter' / 'adapter_model.safetensors')}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "smollm2-dora")
