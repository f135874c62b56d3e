"""Bundles over HTTP: from `collector serve --bundles`, other servers, and hostile ones (F22, F24)."""

import http.client
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.bundles.bundle import describe
from agent.bundles.fetch import fetch
from agent.errors import AgentError, BadInput, BundleRefused, NotFetched
from collector.serving.bundle_server import names, serving_bundles
from tests import installed


def silent(name: str, here: int, size: int) -> None:
    """Progress that no one reads."""


@pytest.fixture
def shelf(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A folder of bundles, with one."""
    folder = tmp_path / "shelf"
    shutil.copytree(tiny_bundle, folder / "tiny")
    return folder


@pytest.fixture
def url(shelf: Path) -> Iterator[str]:
    installed.module("uvicorn")
    with serving_bundles(shelf, "127.0.0.1:0") as address:
        yield address


def test_a_bundle_arrives_whole_and_is_not_fetched_twice(url: str, shelf: Path, tmp_path: Path) -> None:
    to = tmp_path / "here"
    shown: list[str] = []
    done = fetch(f"{url}tiny", to, lambda name, received, size: shown.append(name))
    assert (done.folder, done.new) == (to / "tiny", True)
    assert describe(done.folder).sha256 == describe(shelf / "tiny").sha256
    assert {"model.onnx", "tokenizer.json"} == set(shown)
    shown.clear()
    assert not fetch(f"{url}tiny/", to, lambda name, received, size: shown.append(name)).new
    assert shown == []
    assert [path.name for path in to.iterdir()] == ["tiny"], "no draft is left"


def test_a_download_goes_on_where_it_broke_off(url: str, shelf: Path, tmp_path: Path) -> None:
    model = (shelf / "tiny" / "model.onnx").read_bytes()
    draft = tmp_path / "here" / ".tiny.part"
    draft.mkdir(parents=True)
    (draft / "model.onnx").write_bytes(model[:1_000_000])
    (draft / "left-over").touch()
    seen: list[int] = []
    fetch(f"{url}tiny", tmp_path / "here", lambda name, received, size: seen.append(received))
    assert seen[0] > 1_000_000
    assert (tmp_path / "here" / "tiny" / "model.onnx").read_bytes() == model
    assert not (tmp_path / "here" / "tiny" / "left-over").exists()


def test_a_changed_bundle_replaces_the_old_one(url: str, shelf: Path, tmp_path: Path) -> None:
    fetch(f"{url}tiny", tmp_path / "here", silent)
    manifest = json.loads((shelf / "tiny" / "manifest.json").read_text())
    manifest["title"] = "Another"
    (shelf / "tiny" / "manifest.json").write_text(json.dumps(manifest))
    assert fetch(f"{url}tiny", tmp_path / "here", silent).new
    assert describe(tmp_path / "here" / "tiny").manifest.title == "Another"
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["tiny"]


def test_a_tampered_model_is_not_put_in_place(url: str, shelf: Path, tmp_path: Path) -> None:
    fetch(f"{url}tiny", tmp_path / "here", silent)
    good = describe(tmp_path / "here" / "tiny").sha256
    manifest = json.loads((shelf / "tiny" / "manifest.json").read_text())
    manifest["title"] = "Another"
    (shelf / "tiny" / "manifest.json").write_text(json.dumps(manifest))
    model = bytearray((shelf / "tiny" / "model.onnx").read_bytes())
    model[1000] ^= 1
    (shelf / "tiny" / "model.onnx").write_bytes(model)
    with pytest.raises(BundleRefused, match="SHA-256"):
        fetch(f"{url}tiny", tmp_path / "here", silent)
    assert describe(tmp_path / "here" / "tiny").sha256 == good


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("ftp://host/tiny", "not the address"),
        ("file:///etc/passwd", "not the address"),
        ("http://host/..", "does not end in a bundle's name"),
        ("http://host/%2e%2e", "does not end in a bundle's name"),
        ("http://host/", "does not end in a bundle's name"),
        ("http://host/a b", "not the address"),
        ("http://me:secret@host/a", "contains a user name"),
    ],
)
def test_what_is_no_address_is_refused(url: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=complaint) as error:
        fetch(url, tmp_path, silent)
    assert "secret" not in str(error.value)


def test_a_server_that_is_not_there_or_knows_nothing_is_reported(url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match=r"cannot fetch .*refused"):
        fetch("http://127.0.0.1:1/tiny", tmp_path, silent)
    with pytest.raises(NotFetched, match="answers 404"):
        fetch(f"{url}gone", tmp_path, silent)
    assert list(tmp_path.glob(".*")) == []


@contextmanager
def hostile(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/tiny"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def test_names_that_lead_elsewhere_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((tiny_bundle / "manifest.json").read_text())
    for name in ("../../evil", "/etc/evil", "a/b", ".hidden", "manifest.json"):
        bad = {**manifest, "files": {**manifest["files"], name: {"bytes": 1, "sha256": "0" * 64}}}
        body = json.dumps(bad).encode()
        refused = pytest.raises(BundleRefused, match="not a plain file name")
        with hostile(partial(reply, body=body)) as url, refused:
            fetch(url, tmp_path / "here", silent)
    assert not (tmp_path / "here").exists()


def test_no_more_is_taken_than_the_manifest_says(tiny_bundle: Path, tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        if name == "manifest.json":
            reply(handler, (tiny_bundle / name).read_bytes())
        else:
            reply(handler, b"x" * 20_000_000)

    with hostile(endless) as url, pytest.raises(BundleRefused, match="SHA-256"):
        fetch(url, tmp_path / "here", silent)
    size = sum(path.stat().st_size for path in (tmp_path / "here").rglob("*") if path.is_file())
    assert size < 20_000_000


def test_a_manifest_without_end_and_a_way_out_of_the_web_are_refused(tmp_path: Path) -> None:
    endless = partial(reply, body=b" " * 3_000_000)
    with hostile(endless) as url, pytest.raises(AgentError, match="at most"):
        fetch(url, tmp_path, silent)
    leading_out = partial(reply, body=b"", status=302, Location="file:///etc/passwd")
    with hostile(leading_out) as url, pytest.raises(NotFetched, match=r"302|redirect"):
        fetch(url, tmp_path, silent)


def test_a_server_that_breaks_off_is_asked_for_the_rest(tiny_bundle: Path, tmp_path: Path) -> None:
    asked: list[str | None] = []

    def breaking(handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        body = (tiny_bundle / name).read_bytes()
        if name != "model.onnx":
            reply(handler, body)
            return
        asked.append(handler.headers.get("Range"))
        start = int((asked[-1] or "bytes=0-")[6:-1])
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        handler.wfile.write(body[start:] if start else body[:1_500_000])

    with hostile(breaking) as url:
        done = fetch(url, tmp_path / "here", silent)
    assert asked == [None, "bytes=1500000-"]
    assert done.new


def test_only_what_a_manifest_names_is_served(url: str, shelf: Path) -> None:
    (shelf / "tiny" / "notes.txt").write_text("private")
    (shelf / "secret").write_text("private")
    (shelf / "linked").symlink_to(shelf / "tiny")
    (shelf / "tiny" / "tokenizer.json").unlink()
    (shelf / "tiny" / "tokenizer.json").symlink_to(shelf / "secret")
    assert names(shelf) == ["linked", "tiny"]
    parts = urlsplit(url)
    paths = ["/", "/tiny", "/tiny/", "/tiny/notes.txt", "/secret", "/tiny/../secret", "/tiny/%2e%2e/secret"]
    paths += ["//etc/passwd", "/linked/manifest.json", "/tiny/tokenizer.json", "/tiny/model.onnx?x"]
    for path in paths:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, b"private" in answer.read()) == (404, False), path
        connection.close()
    for method, status in (("HEAD", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405)):
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        connection.request(method, "/tiny/model.onnx")
        assert connection.getresponse().status == status
        connection.close()
