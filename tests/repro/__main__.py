"""The command line of `tox -e repro`.

python tests/repro                      a small federation, four ways, digests compared
python tests/repro PATH/result.json     a record, in an environment of its recorded versions

What follows PATH goes to `harness reproduce`: `--round 3`, `--mirror DIR`, `--tolerance`. A plugin
that is not of this repository is named with `--install WHERE`, as pip takes it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from repeated_federation import repeat_federation
from repeated_record import repeat_record


def main() -> int:
    """Return 0 when everything is equal, byte for byte."""
    parser = argparse.ArgumentParser(
        prog="tox -e repro --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--install", action="append", default=[], metavar="WHERE")
    chosen, rest = parser.parse_known_args()
    if chosen.path is None and (rest or chosen.install):
        parser.error("name the result.json first; without one, a small federation is repeated")
    with tempfile.TemporaryDirectory() as name:
        if chosen.path is None:
            return repeat_federation(Path(name))
        from harness.processes.plain_looks import take_plain_looks

        return repeat_record(chosen.path, Path(name), chosen.install, rest, take_plain_looks)


if __name__ == "__main__":
    raise SystemExit(main())
