"""The evaluating process: it loads no plugin. `start` is its first line, `launch` starts it.

Progress goes to stderr. The last line of stdout is one JSON object: the scores, or the failure,
which `launch` turns into the same error in the process that asked.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from harness.document import parse_document, parse_json
from harness.errors import HarnessError
from harness.evaluation.sealed.order import Order
from harness.machine.machine import this_machine
from harness.planning.devices import refuse_absent_gpu
from harness.processes.carried_error import CarriedError
from harness.processes.loading import loading
from harness.processes.numeric_threads import use_threads


def load_ahead() -> None:
    """Load the libraries that an evaluation needs, before there is an order: 5 s of a processor."""
    _quieten()
    with loading():
        from harness.library_internals.model_libraries import load_model_libraries

        load_model_libraries()
        from lm_eval import evaluator  # noqa: F401

        from harness.evaluation import engine, session  # noqa: F401
        from harness.evaluation.lm_eval_bridge import lm, tasks  # noqa: F401


def main(text: str) -> int:
    """Evaluate what the order `text` names; return the exit code."""
    try:
        order = parse_document(Order, parse_json(text, "the order"), "the order")
        order.startup.refuse_changes()
        with loading():
            from harness.evaluation.evaluated_run import opened
            from harness.evaluation.session import evaluate

        run = opened(Path(order.run_dir), order.spec, order.assets, order.device, order.untrained)
        refuse_absent_gpu(run.device, this_machine())
        if order.held_out is not None:
            from harness.evaluation.held_out import answer_held_out

            _settle(order.threads)
            answers = answer_held_out(
                run, order.held_out, order.threads, order.quiet, order.adapter_sha256
            )
            print(answers.canonical_json())
            return 0
        scores = evaluate(
            run, order.key, order.quiet, order.threads, order.adapter_sha256,
            prepare=lambda: _settle(order.threads),
        )  # fmt: skip
    except HarnessError as error:
        print(CarriedError.of(error).text())
        return error.exit_code
    print(scores.with_values(startup_sha256=order.startup.sha256).canonical_json())
    return 0


def _settle(threads: int) -> None:
    """Set torch's threads and silence what the libraries say about themselves."""
    _quieten()
    warnings.filterwarnings("ignore", message="The PEFT config's `base_model_name_or_path`")
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft's
    with loading():
        import transformers

    use_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _quieten() -> None:
    for name in ("lm_eval", "lm-eval", "bitsandbytes", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
