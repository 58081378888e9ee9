"""`harness run --superlink NAME`: a run on a SuperLink elsewhere, followed and fetched from here.

The ServerApp runs where the SuperLink is, the clients where their SuperNodes are; nothing but
Flower's own commands `run`, `log`, `list` and `stop` goes between them and this process. A caller
that is killed leaves the run at work: `harness run --resume` reads what has come since, and goes on
with the run where Flower has ended it.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.document import digest_of, read_document, write_document
from harness.errors import FederationError, UsageError
from harness.federation.job import Job
from harness.federation.options import FederationOutcome, Options
from harness.federation.storage.ledger import Ledger
from harness.federation.superlink.app_directory import APP_PACKAGE, write_app
from harness.federation.superlink.handover import APP
from harness.federation.superlink.local_superlink import program
from harness.federation.superlink.remote_order import (
    ORDER_FILE,
    REMOTE_FILE,
    RemoteOrder,
    RemoteRun,
)
from harness.federation.superlink.sent_lines import MARK, Receiver
from harness.processes.import_paths import isolated
from harness.processes.signals import answering_signals
from harness.record.file_names import LOGS

COMMAND_LIMIT_S = 120.0
"""Longest time of one of Flower's short commands."""

AWAY_LIMIT_S = 300.0
"""Longest time that a SuperLink may not answer before this process gives up on it: it may be
started again on its database meanwhile."""

AWAY_PAUSE_S = 2.0

CALLER = "flwr"
"""Folder in that of a deployment (`harness up`) which is the Flower home of its callers."""
UP = "up"
"""Name of the connection there."""

FINISHED = "finished"
"""Begins the status of a run that Flower has ended, well or not."""


@dataclass(frozen=True, slots=True)
class Flwr:
    """Flower's command, for one connection."""

    connection: str
    environment: Mapping[str, str]
    log: Path

    def ask(self, *words: str) -> Any:
        """Return the JSON that a short command prints.

        Raises:
            FederationError: it fails, or says something else.
        """
        command = [program("flwr"), *words, "--format", "json"]
        try:
            done = subprocess.run(
                command, env=dict(self.environment), capture_output=True, text=True, check=False,
                stdin=subprocess.DEVNULL, timeout=COMMAND_LIMIT_S,
            )  # fmt: skip
            said, value = done.stdout, None
            begin = said.find("{")
            value = json.loads(said[begin:]) if begin >= 0 else None
        except (subprocess.TimeoutExpired, ValueError):
            value, said = None, "no answer"
        if not isinstance(value, dict) or not value.get("success"):
            reason = value.get("error-message", "") if isinstance(value, dict) else said
            line = " ".join(str(reason).split()) or "no answer"
            raise FederationError(
                f"`flwr {words[0]}` on {self.connection!r}: {line[:300]}; see that its SuperLink"
                " runs and that `flwr config list` names it"
            )
        return value

    def submit(self, app: Path, supernodes: int) -> int:
        """Hand in an app; return Flower's number of the run."""
        value = self.ask(
            "run", str(app), self.connection,
            "--federation-config", f"num-supernodes={supernodes}",
        )  # fmt: skip
        return int(value["run-id"])

    def status(self, run_id: int) -> str:
        """Return what Flower says of a run: `running`, `finished:completed` and the like."""
        value = self.ask("list", self.connection, "--run-id", str(run_id))
        runs = value.get("runs") or [{}]
        return str(runs[0].get("status", "unknown"))

    def stop(self, run_id: int) -> None:
        """End a run."""
        self.ask("stop", str(run_id), self.connection)


def federate_remotely(job: Job, run_dir: Path, options: Options, folder: str) -> FederationOutcome:
    """Run, follow or go on with a run on a named SuperLink; its rounds and adapters come here.

    Args:
        job: the run; its paths are of this machine and stay here.
        run_dir: the run directory.
        options: `superlink` names a connection of Flower's configuration, or is the folder of a
            deployment that `harness up` has started.
        folder: for temporary files.

    Raises:
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came; the run was stopped.
        FederationError: the SuperLink does not answer, or ended the run.
        HarnessError: whatever the ServerApp raised.
        UsageError: the run is at work on another SuperLink.
    """
    connection = str(options.superlink)
    if (Path(connection) / CALLER).is_dir():
        connection = str(Path(connection).absolute())
    logs = run_dir / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    remote = _remote(run_dir, job, connection)
    quiet = isolated(os.environ) | {"FLWR_DISABLE_UPDATE_CHECK": "1", "TMPDIR": folder}
    home = Path(connection) / CALLER
    if (home / "config.toml").is_file():
        flwr = Flwr(UP, quiet | {"FLWR_HOME": str(home)}, logs / "flwr-run.log")
    else:
        flwr = Flwr(connection, quiet, logs / "flwr-run.log")
    stop = threading.Event()
    with answering_signals(stop.set) as interrupted:
        receiver = Receiver(run_dir)
        if remote.run_id is not None:
            _follow(flwr, remote.run_id, receiver, stop)
        if receiver.outcome is None or receiver.outcome.error is not None:
            receiver = Receiver(run_dir)
            app = _app(run_dir, job, options, remote.name)
            run_id = flwr.submit(app, job.challenge.num_supernodes)
            remote = remote.with_values(run_id=run_id)
            _note(run_dir, remote)
            _follow(flwr, run_id, receiver, stop)
        if stop.is_set():
            assert remote.run_id is not None
            flwr.stop(remote.run_id)
    if interrupted:
        raise KeyboardInterrupt
    outcome = receiver.outcome
    if outcome is None:
        raise FederationError(
            f"run {remote.run_id} on {connection!r} ended without a result; `flwr log"
            f" {remote.run_id} {connection}` says why; resume the run, which goes on from its last"
            " checkpoint there"
        )
    return outcome.of_rounds(Ledger(run_dir).rounds)


def _remote(run_dir: Path, job: Job, connection: str) -> RemoteRun:
    """Return where the run is at work, or a new place for it.

    Raises:
        UsageError: it is at work on another SuperLink.
    """
    path = run_dir / REMOTE_FILE
    if path.is_file():
        found = read_document(RemoteRun, path)
        if found.connection != connection:
            raise UsageError(
                f"{run_dir}: its rounds lie on the SuperLink {found.connection!r}; resume it there"
            )
        return found
    name = f"{job.spec.plugin}-{digest_of(job.spec)[:12]}-{secrets.token_hex(4)}"
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    found = RemoteRun(connection=connection, name=plain[-80:])
    _note(run_dir, found)
    return found


def _note(run_dir: Path, remote: RemoteRun) -> None:
    write_document(run_dir / REMOTE_FILE, remote)


def _app(run_dir: Path, job: Job, options: Options, name: str) -> Path:
    app = run_dir / APP
    shutil.rmtree(app, ignore_errors=True)
    write_app(app, job.spec, job.challenge)
    order = RemoteOrder(name=name, options=options.with_values(quiet=True), data=job.assets.data)
    write_document(app / APP_PACKAGE / ORDER_FILE, order)
    return app


def _follow(flwr: Flwr, run_id: int, receiver: Receiver, stop: threading.Event) -> None:
    """Read what a run prints until it has ended; a SuperLink that is away is awaited.

    Raises:
        FederationError: it is away for longer than `AWAY_LIMIT_S`.
    """
    answered = time.monotonic()
    while not stop.is_set():
        again = Receiver(receiver.run_dir)
        _read(flwr, run_id, again, stop)
        if again.outcome is not None:
            receiver.outcome = again.outcome
            return
        try:
            if stop.is_set() or flwr.status(run_id).startswith(FINISHED):
                return
            answered = time.monotonic()
        except FederationError:
            if time.monotonic() - answered > AWAY_LIMIT_S:
                raise
        stop.wait(AWAY_PAUSE_S)


def _read(flwr: Flwr, run_id: int, receiver: Receiver, stop: threading.Event) -> None:
    """Read all lines of a run, from the first one on, while Flower's command gives them."""
    with flwr.log.open("ab") as log:
        process = subprocess.Popen(
            [program("flwr"), "log", str(run_id), flwr.connection, "--stream"],
            env=dict(flwr.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            rest = b""
            while not stop.is_set():
                if not select.select([process.stdout], [], [], 0.3)[0]:
                    continue
                data = os.read(process.stdout.fileno(), 2**20)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    text = line.decode(errors="replace")
                    receiver.take(text)
                    if not text.startswith(MARK):
                        log.write(line + b"\n")
        finally:
            process.terminate()
            process.wait()
