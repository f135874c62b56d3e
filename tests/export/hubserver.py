"""A hub on this machine: it serves folders of models over the HTTP requests that downloads use."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class HubServer:
    """Serves folders as repositories, and records the requests and their tokens."""

    def __init__(self) -> None:
        self.repositories: dict[str, Path] = {}
        self.gated: set[str] = set()
        """Repositories that refuse all downloads of files."""
        self.revisions = {"": COMMIT, "main": COMMIT, COMMIT: COMMIT}
        """What branches, tags and commits of every repository point to."""
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub._answer(self)

            def do_HEAD(self) -> None:
                hub._answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0].removeprefix("/api/models").strip("/")
        self.asked.append(f"{request.command} {path}")
        self.tokens.add(request.headers.get("Authorization"))
        repository = "/".join(path.split("/")[:2])
        folder = self.repositories.get(repository)
        if folder is None:
            _send(request, 401, b"", {"X-Error-Code": "RepoNotFound"})
        elif "/tree/" in path:  # a subfolder, which these repositories do not have
            _send(request, 404, b"", {"X-Error-Code": "EntryNotFound"})
        elif (revision := path.partition("/revision/")[2]) not in self.revisions:
            _send(request, 404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif "/resolve/" not in path:
            files = [
                {"rfilename": entry.name, "size": entry.stat().st_size} for entry in sorted(folder.iterdir())
            ]
            info = {
                "id": repository,
                "modelId": repository,
                "sha": self.revisions[revision],
                "siblings": files,
            }
            _send(request, 200, json.dumps(info).encode(), {"Content-Type": "application/json"})
        elif repository in self.gated:
            _send(request, 403, b"", {"X-Error-Code": "GatedRepo"})
        else:
            self._file(request, folder / path.rpartition("/")[2])

    def _file(self, request: BaseHTTPRequestHandler, file: Path) -> None:
        if not file.is_file():
            _send(request, 404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = file.read_bytes()
        _send(request, 200, data, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'})


def _send(request: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(data)
