"""`python -m harness.evaluation RUN_DIR`: the evaluating process. It loads no plugin.

Progress goes to stderr; a failure is one JSON object on stdout, which `launch` turns into the same
error in the process that asked.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

from harness.errors import HarnessError
from harness.machine.machine import cores, this_machine
from harness.planning.devices import refuse_absent_gpu
from harness.processes.carried_error import CarriedError


def main(arguments: list[str] | None = None) -> int:
    """Evaluate one run directory; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.evaluation", description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--untrained", action="store_true", help="leave the adapter out")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    try:
        from harness.evaluation.session import evaluate, read_run

        run = read_run(options.run_dir, options.device, options.untrained)
        refuse_absent_gpu(run.device, this_machine())
        threads = options.threads or cores()
        _settle(threads)
        evaluate(run, options.quiet, threads)
    except HarnessError as error:
        print(CarriedError.of(error).text())
        return error.exit_code
    return 0


def _settle(threads: int) -> None:
    """Set torch's threads and silence what the libraries say about themselves."""
    warnings.filterwarnings("ignore", message="The PEFT config's `base_model_name_or_path`")
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft's
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in ("lm_eval", "lm-eval", "bitsandbytes", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
