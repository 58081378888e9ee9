"""The evaluating process as who started it sees it: begun early, given one order, heard once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.kernel.allowance import cores
from harness.processes import startup
from harness.processes.lifetime import Guardian
from harness.processes.waiting_threads import WAITING

if TYPE_CHECKING:
    from harness.evaluation.sealed.order import Order

ENVIRONMENT = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "LC_ALL": "C.UTF-8",
    **WAITING,
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/wsl/lib",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""All variables of the evaluating process, beside those of `sealed_environment`. Every file was
found and checked before, so no network is needed; progress is ours; threads that wait soon give
their processor to others (`WAITING`). What a shell or a plugin has set leads to no code and changes
no sum: neither LD_PRELOAD, nor MKL's and oneDNN's variables, nor the caches of compiled kernels in
a home folder."""

GPUS = re.compile(r"[A-Za-z0-9,/:.-]{1,400}")
"""A list of GPUs, the one variable that is taken over: it chooses and changes nothing else."""

START = Path(__file__).with_name("start.py")


class Evaluator:
    """An evaluating process, which ends with this one and at the latest with the context."""

    def __init__(self, threads: int | None = None) -> None:
        """Prepare; nothing is started yet.

        Args:
            threads: torch threads; None: every processor this process may use.
        """
        self.threads = threads or cores()
        self._process: subprocess.Popen[bytes] | None = None
        self._open = ExitStack()

    def __enter__(self) -> Evaluator:
        """Return the evaluator."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
        self._open.close()

    def start(self, ahead: bool, files: Sequence[Path] = ()) -> None:
        """Start the process, once; it waits for its order.

        Args:
            ahead: have it load its libraries meanwhile.
            files: have it take their digests meanwhile; nothing may change them from now on.

        Raises:
            EvaluationError: what Python runs by itself changed since this command began.
        """
        if self._process is not None:
            return
        found = startup.here()
        found.refuse_changes()
        scratch = tempfile.mkdtemp()
        command = [sys.executable, "-I", "-S", "-X", "utf8", str(START)]
        guardian = self._open.enter_context(Guardian(scratch, all_children=False))
        self._process = self._open.enter_context(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=scratch,
                env=sealed_environment(os.environ, scratch, self.threads),
            )
        )
        guardian.guard(self._process.pid)
        named = [str(path) for path in files]
        self._tell({"startup": found.model_dump(mode="json"), "ahead": ahead, "files": named})

    def carry_out(self, order: Order) -> tuple[int, str]:
        """Have an order carried out; the process ends with it.

        Returns:
            Its exit code and its stdout.
        """
        self.start(ahead=False)
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError), self._process.stdin:
            self._tell(order.model_dump(mode="json"))
        output = self._process.stdout.read()
        return self._process.wait(), output.decode(errors="replace")

    def _tell(self, value: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()


def sealed_environment(environ: Mapping[str, str], scratch: str, threads: int) -> dict[str, str]:
    """Return all environment variables of the evaluating process.

    Args:
        environ: of this process; the choice of GPUs is taken from it, if it is one.
        scratch: an empty folder for whatever a library writes into a home folder.
        threads: torch threads.
    """
    gpus = environ.get("CUDA_VISIBLE_DEVICES", "")
    chosen = {"CUDA_VISIBLE_DEVICES": gpus} if GPUS.fullmatch(gpus) else {}
    own = {"HOME": scratch, "TMPDIR": scratch, "HF_HOME": scratch, "OMP_NUM_THREADS": str(threads)}
    return ENVIRONMENT | chosen | own
