"""Flower's internals: the tasks of a SuperNode, taken by a process that lives on.

With `--isolation process` a SuperNode starts nothing for a message: it waits for somebody who asks
for the task. Flower's own `flower-superexec` does, and starts a process for each message, which
imports everything and loads the model anew. These are its steps, taken in one process for all
messages and for several SuperNodes.

Source: flwr 1.42, `supernode/runtime/run_clientapp.py` (`run_clientapp`) and
`supercore/superexec/run_superexec.py` (`run_superexec`).
"""

from __future__ import annotations

from typing import Any

ACQUIRE = frozenset({"/flwr.proto.Runtime/AcquireTask"})
"""The one call that the shared secret signs."""


class NodeTasks:
    """The tasks of one SuperNode."""

    def __init__(self, address: str, secret: bytes) -> None:
        """Ask at the SuperNode's Runtime API; nothing is sent yet.

        Args:
            address: `host:port` on this machine.
            secret: content of the file that the SuperNode was started with.
        """
        from flwr.supercore.interceptors import SuperExecAuthHttpInterceptor

        self.address = address
        own = SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=ACQUIRE)
        self.client = _client(address, "SuperExec", own, tries=1)

    def next_token(self) -> str | None:
        """Return the token of the next task; None when there is none, or no SuperNode."""
        import httpx
        from flwr.proto.runtime_pb2 import AcquireTaskRequest
        from flwr.supercore.constant import TaskType

        try:
            answer = self.client.AcquireTask(
                AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP])
            )
        except httpx.HTTPError:
            return None
        return str(answer.token) if answer.HasField("task") and answer.token else None

    def work(self, token: str) -> None:
        """Let the message's ClientApp answer it, in this process.

        Raises:
            Exception: what Flower raises when the SuperNode is gone; the task is lost with it.
        """
        from flwr.app import Error, Message
        from flwr.cli.install import install_from_fab
        from flwr.clientapp.utils import get_load_client_app_fn
        from flwr.common.constant import ErrorCode, SubStatus
        from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
        from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor
        from flwr.supernode.runtime import run_clientapp

        client = _client(self.address, "flwr-clientapp", RuntimeTokenHttpInterceptor(token))
        heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(client))
        heartbeat.start()
        status, details = SubStatus.COMPLETED, ""
        try:
            message, context, run, fab = run_clientapp.pull_task_input(client)
            try:
                install_from_fab(fab.content, skip_prompt=True)
                load = get_load_client_app_fn(default_app_ref="", app_path=None, multi_app=True)
                reply = load(run.fab_id, run.fab_version, fab.hash_str)(
                    message=message, context=context
                )
            except Exception as error:
                status, details = SubStatus.FAILED, f"{type(error).__name__}: {error}"
                code = ErrorCode.CLIENT_APP_RAISED_EXCEPTION
                reply = Message(Error(code=code, reason=details), reply_to=message)
            run_clientapp.push_message(client, reply, context)
            run_clientapp.push_task_output(
                client=client, context=context, sub_status=status, details=details
            )
        finally:
            heartbeat.stop()
            client.close()


def _client(address: str, component: str, own: Any, tries: int | None = None) -> Any:
    """Return Flower's client of a Runtime API.

    Args:
        address: `host:port`.
        component: as which it asks.
        own: interceptor that says by what right.
        tries: attempts of a call; None: as many as Flower makes.
    """
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
    from flwr.supercore.retry import make_simple_http_retry_invoker
    from flwr.supercore.runtime import RuntimeHttpClient

    again = make_simple_http_retry_invoker()
    if tries is not None:
        again.max_tries = tries
    return RuntimeHttpClient.from_server_address(
        server_address=address,
        insecure=True,
        root_certificates=None,
        interceptors=[RuntimeVersionHttpInterceptor(component_name=component), own],
        retry_invoker=again,
    )
