"""A few calls of the WebDriver protocol, enough to use a page as a person does.

Source: https://www.w3.org/TR/webdriver2/. Speaks HTTP to chromedriver, so that the tests need no
browser package from a registry.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
]  # fmt: skip
ESCAPE = "\ue00c"


class Browser:
    """One session."""

    def __init__(self, base: str, session: str) -> None:
        self.base = f"{base}/session/{session}"

    def call(self, path: str, body: Any = None, method: str = "POST") -> Any:
        return request(f"{self.base}/{path}", {} if body is None else body, method)

    def open(self, url: str) -> None:
        self.call("url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self.call("execute/sync", {"script": script, "args": list(arguments)})

    def find(self, css: str) -> str:
        found = self.call("element", {"using": "css selector", "value": css})
        return str(found[ELEMENT])

    def click(self, css: str) -> None:
        self.call(f"element/{self.find(css)}/click")

    def type(self, css: str, text: str) -> None:
        self.call(f"element/{self.find(css)}/value", {"text": text})

    def press(self, key: str) -> None:
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def resize(self, width: int, height: int) -> None:
        self.call("window/rect", {"width": width, "height": height})

    def console(self) -> list[str]:
        """Return the messages of errors since the last call."""
        entries = self.call("se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "ERROR")]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("screenshot", method="GET")))


def request(url: str, body: Any, method: str) -> Any:
    data = None if method == "GET" else json.dumps(body).encode()
    call = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(call, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {url}: {json.load(error)['value']['message']}") from None


@contextmanager
def browser(chromium: str, chromedriver: str, profile: Path) -> Iterator[Browser]:
    """Start chromedriver and chromium, and end both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        [chromedriver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    base = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(base)
        options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        value = request(f"{base}/session", {"capabilities": {"alwaysMatch": wanted}}, "POST")
        session = Browser(base, value["sessionId"])
        try:
            yield session
        finally:
            request(session.base, {}, "DELETE")
    finally:
        driver.terminate()
        driver.wait(20)


def wait_until_ready(base: str) -> None:
    for _ in range(200):
        try:
            if request(f"{base}/status", {}, "GET")["ready"]:
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("chromedriver did not start within 10 s")
