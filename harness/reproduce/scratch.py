"""A repetition runs in a folder like any run's, whose path says nothing of the original."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.processes.plain_looks import take_plain_looks
from harness.reproduce.original import Original
from harness.reproduce.start import refuse_used
from harness.run_directory import default_run_dir


@contextmanager
def scratch(original: Original, out: Path | None, own_process: bool) -> Iterator[Path]:
    """Yield a new run directory, named as that of a run without `--out`; it is deleted at the end.

    Args:
        original: what is repeated.
        out: where the run directory goes at the end instead, absolute; None: nowhere.
        own_process: give up what names the original in this process too, see
            `harness.processes.plain_looks`; not in a process that does other things.

    Raises:
        UsageError: `out` is in use.
    """
    if out is not None:
        refuse_used(out)
    folder = Path(tempfile.mkdtemp()).resolve()
    name = default_run_dir(original.spec)
    if own_process:
        program = str(Path(sys.executable).with_name("harness"))
        hidden = {str(item) for item in (original.folder.absolute(), original.folder.resolve())}
        spec = original.spec
        smoke = ["--smoke"] if spec.smoke else []
        plain = [program, "run", *spec.asked_by, *smoke, "--seed", str(spec.seed)]
        take_plain_looks(plain, folder, sorted(hidden))
    try:
        yield folder / name
    finally:
        if out is not None and (folder / name).exists():
            if out.exists():
                out.rmdir()
            shutil.move(folder / name, out)
        shutil.rmtree(folder, ignore_errors=True)
