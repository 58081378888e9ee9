"""What a client keeps at home, where it has none: on a Ray cluster any node may train it.

The server keeps the files in its run directory, as on one machine, and they travel beside the
tensors of a message. Real clients would not send them: they are no part of the bytes of a round.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flwr.app import ArrayRecord, RecordDict

from harness.federation.clientapp import client_state
from harness.federation.wire.names import KEPT_RECORD
from harness.federation.wire.records import records_in
from harness.federation.wire.tensors import to_record, to_tensors


def put(content: RecordDict, folder: Path, partition: int, number: int) -> None:
    """Put into a message, or a reply, what a client kept after round `number`, if it kept anything.

    Args:
        content: of the message or the reply; it is changed.
        folder: where clients keep their files.
        partition: whose arrays they are.
        number: the round, from 1.

    Raises:
        RecordError: the file is damaged.
    """
    if client_state.path_of(folder, partition, number).is_file():
        content[KEPT_RECORD] = to_record(client_state.load(folder, partition, number))


def take(content: RecordDict, folder: Path, partition: int, number: int) -> None:
    """Take it out again, into its file.

    Args:
        content: of the message or the reply; it is changed.
        folder: where clients keep their files.
        partition: whose arrays they are.
        number: the round, from 1.

    Raises:
        RecordError: the disk refused it.
    """
    record = records_in(content, ArrayRecord).get(KEPT_RECORD)
    if isinstance(record, ArrayRecord):
        del content[KEPT_RECORD]
        folder.mkdir(parents=True, exist_ok=True)
        client_state.save(folder, partition, number, to_tensors(record))


@contextmanager
def home(content: RecordDict, partition: int, last: int) -> Iterator[Path]:
    """Yield a folder for one client and one round, with what a message brought of round `last`."""
    with tempfile.TemporaryDirectory(prefix="harness-client-") as name:
        take(content, Path(name), partition, last)
        yield Path(name)
