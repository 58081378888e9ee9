"""A local server that answers what `huggingface_hub` asks when files are uploaded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

TOKEN = "hf_right"
LARGE = ".safetensors"
"""Files with this ending are uploaded apart, by the protocol of git's large files."""


class Hub:
    """What the pretended hub holds, and how it behaves."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.writers = {"someone"}
        self.failing: dict[str, int] = {}
        """Part of a path -> status with which it is answered."""
        self.drops: set[str] = set()
        """Parts of paths whose connection is closed without an answer."""

    def commits(self) -> int:
        return sum("/commit/" in line for line in self.asked)

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        for part, status in self.failing.items():
            if part in path:
                return status, {"error": "something is wrong here"}
        if method == "PUT":
            self.objects[path.rpartition("/")[2]] = body
            return 200, {}
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid credentials in Authorization header"}
        value = [json.loads(line) for line in body.splitlines() if line.strip()] if body else []
        if path == "/api/repos/create":
            return self.create(value[0])
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return 200, self.batch(value[0])
        found = re.match(r"/api/models/([^/]+/[^/?]+)(/[a-z-]+)?", path)
        if found is None or found[1] not in self.repositories:
            return 404, {"error": "Repository not found"}
        files = self.repositories[found[1]]
        match found[2]:
            case None:
                names = [{"rfilename": name} for name in sorted(files)]
                return 200, {"id": found[1], "sha": self.sha(found[1]), "siblings": names}
            case "/preupload":
                return 200, {"files": [self.mode(item) for item in value[0]["files"]]}
            case "/commit":
                return self.commit(found[1], value)
        return 404, {"error": "unknown"}

    def create(self, value: dict[str, Any]) -> tuple[int, Any]:
        name = f"{value['organization']}/{value['name']}"
        if value["organization"] not in self.writers:
            return 403, {
                "error": "You don't have the rights to create a model under this namespace"
            }
        if name in self.repositories:
            return 409, {"error": "You already created this model repo", "url": f"/{name}"}
        self.repositories[name] = {".gitattributes": b""}
        self.private[name] = value.get("visibility") == "private"
        return 200, {"url": f"{self.address}/{name}"}

    @staticmethod
    def mode(item: dict[str, Any]) -> dict[str, Any]:
        large = item["path"].endswith(LARGE)
        return {
            "path": item["path"], "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False, "oid": None,
        }  # fmt: skip

    def batch(self, value: dict[str, Any]) -> dict[str, Any]:
        objects = []
        for item in value["objects"]:
            action = {"upload": {"href": f"{self.address}/objects/{item['oid']}"}}
            kept = {} if item["oid"] in self.objects else {"actions": action}
            objects.append({"oid": item["oid"], "size": item["size"], **kept})
        return {"transfer": "basic", "objects": objects}

    def commit(self, name: str, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.repositories[name][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.repositories[name][value["path"]] = self.objects[value["oid"]]
        oid = self.sha(name)
        return 200, {
            "success": True, "commitOid": oid, "commitUrl": f"{self.address}/{name}/commit/{oid}"
        }  # fmt: skip

    def paths_info(self, path: str, names: list[str]) -> list[dict[str, Any]]:
        files = self.repositories[path]
        return [
            {
                "type": "file", "path": name, "size": len(files[name]), "oid": "0" * 40,
                "lfs": {
                    "oid": hashlib.sha256(files[name]).hexdigest(), "size": len(files[name]),
                    "pointerSize": 120,
                },
            }
            for name in names if name in files
        ]  # fmt: skip

    def sha(self, name: str) -> str:
        text = json.dumps({k: len(v) for k, v in sorted(self.repositories[name].items())})
        return hashlib.sha1(text.encode()).hexdigest()

    address = ""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if any(part in self.path for part in self.hub.drops):
            self.close_connection = True
            self.connection.close()
            return
        found = re.match(r"/api/models/([^/]+/[^/]+)/paths-info/", self.path)
        if found:
            from urllib.parse import parse_qs

            names = (
                parse_qs(body.decode())["paths"] if body[:1] != b"{" else json.loads(body)["paths"]
            )
            status, value = 200, self.hub.paths_info(found[1], names)
        else:
            token = self.headers.get("Authorization") or ""
            status, value = self.hub.answer(self.command, self.path, body, token)
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def pretended_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Run the hub, and have `huggingface_hub` ask it with the right token."""
    from huggingface_hub import constants

    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
