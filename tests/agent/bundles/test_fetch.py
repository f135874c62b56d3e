"""Bundles over HTTP: from `collector serve --bundles`, other servers, and hostile ones (F22, F24)."""

import errno
import fcntl
import http.client
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.bundles import fetch as fetching
from agent.bundles import http as http_module
from agent.bundles import retries
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
    with serving_bundles(shelf, "127.0.0.1:0") as serving:
        yield serving.url


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
    seen: list[int] = []
    fetch(f"{url}tiny", tmp_path / "here", lambda name, received, size: seen.append(received))
    assert seen[0] > 1_000_000
    assert (tmp_path / "here" / "tiny" / "model.onnx").read_bytes() == model


def kept(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_a_folder_that_is_no_bundle_is_not_replaced(url: str, tmp_path: Path) -> None:
    """A user's checkpoints, or anything else that has the bundle's name."""
    here = tmp_path / "here"
    (here / "tiny").mkdir(parents=True)
    (here / "tiny" / "checkpoint-5000").mkdir()
    with pytest.raises(
        BadInput, match=r"here/tiny' already exists and is not a bundle: move it away, or name"
    ):
        fetch(f"{url}tiny", here, silent)
    assert kept(here / "tiny") == ["checkpoint-5000"] and kept(here) == ["tiny"]


def test_files_beside_a_bundle_are_not_deleted(url: str, shelf: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    fetch(f"{url}tiny", here, silent)
    retitle(shelf / "tiny")
    (here / "tiny" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"here/tiny' holds 'notes.txt', which is not part of the bundle"):
        fetch(f"{url}tiny", here, silent)
    assert (here / "tiny" / "notes.txt").read_text() == "mine"
    (here / "tiny" / "notes.txt").unlink()
    assert fetch(f"{url}tiny", here, silent).new


def test_a_damaged_bundle_is_replaced(url: str, shelf: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    fetch(f"{url}tiny", here, silent)
    (here / "tiny" / "manifest.json").write_bytes(b"")
    assert fetch(f"{url}tiny", here, silent).new
    assert describe(here / "tiny").sha256 == describe(shelf / "tiny").sha256


def test_no_link_is_followed_to_what_would_be_replaced(url: str, shelf: Path, tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    (elsewhere / "letter").write_text("mine")
    (here / ".tiny.part").symlink_to(elsewhere)
    with pytest.raises(BadInput, match="is not a folder that 'agent fetch' has made: move it away"):
        fetch(f"{url}tiny", here, silent)
    (here / ".tiny.part").unlink()
    (here / ".tiny.part").mkdir()
    (here / ".tiny.part" / "model.onnx").symlink_to(elsewhere / "letter")
    with pytest.raises(BadInput, match=r"holds 'model\.onnx', which 'agent fetch' has not made"):
        fetch(f"{url}tiny", here, silent)
    (here / ".tiny.part" / "model.onnx").unlink()
    (here / "tiny").symlink_to(shutil.copytree(shelf / "tiny", tmp_path / "theirs"))
    retitle(shelf / "tiny")
    with pytest.raises(BadInput, match="is not a bundle"):
        fetch(f"{url}tiny", here, silent)
    assert kept(elsewhere) == ["letter"] and (elsewhere / "letter").read_text() == "mine"
    assert len(kept(tmp_path / "theirs")) == 3


def test_two_fetches_of_one_bundle_do_not_mix(url: str, tmp_path: Path) -> None:
    def second(name: str, received: int, size: int) -> None:
        with pytest.raises(NotFetched, match="another agent is fetching into"):
            fetch(f"{url}tiny", tmp_path / "here", silent)

    assert fetch(f"{url}tiny", tmp_path / "here", second).new


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EBADF])
def test_a_share_without_locks_takes_bundles(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert fetch(f"{url}tiny", tmp_path / "here", silent).new


def test_some_of_the_disk_is_kept_free(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "KEPT_FREE_BYTES", 2**60)
    with pytest.raises(BadInput, match=r"the bundle needs \d+ MB more, but .* has only 0 MB for it"):
        fetch(f"{url}tiny", tmp_path / "here", silent)


def retitle(bundle: Path) -> None:
    """Make another bundle of it."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["title"] = "Another"
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_a_changed_bundle_replaces_the_old_one(url: str, shelf: Path, tmp_path: Path) -> None:
    fetch(f"{url}tiny", tmp_path / "here", silent)
    retitle(shelf / "tiny")
    assert fetch(f"{url}tiny", tmp_path / "here", silent).new
    assert describe(tmp_path / "here" / "tiny").manifest.title == "Another"
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["tiny"]


def test_a_tampered_model_is_not_put_in_place(url: str, shelf: Path, tmp_path: Path) -> None:
    fetch(f"{url}tiny", tmp_path / "here", silent)
    good = describe(tmp_path / "here" / "tiny").sha256
    retitle(shelf / "tiny")
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


@pytest.mark.parametrize(
    "location", ["gopher://h[", "ftp://h/", "file:///etc/passwd", "http://[", "javascript:x"]
)
def test_a_redirect_leads_to_the_web_or_nowhere(tmp_path: Path, location: str) -> None:
    leading = partial(reply, body=b"", status=302, Location=location)
    with hostile(leading) as url, pytest.raises(NotFetched, match=r"302|redirect|not known|resolution"):
        fetch(url, tmp_path, silent)


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    def circle(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        reply(handler, b"", 302, Location=f"/{len(asked)}/manifest.json")

    asked: list[str] = []
    with hostile(circle) as url, pytest.raises(NotFetched, match="302"):
        fetch(url, tmp_path, silent)
    assert len(asked) < 20


def slow_head(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, which no timeout of a socket notices."""
    with suppress(OSError):
        while True:
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.05)


def endless_interim_answers(handler: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):
        while True:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def slow_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)


@pytest.mark.parametrize("answer", [slow_head, endless_interim_answers, slow_body])
def test_a_server_that_makes_no_progress_is_left(
    answer: Callable[[BaseHTTPRequestHandler], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "PROGRESS_SECONDS", 0.4)
    monkeypatch.setattr(retries, "TRIES", 1)
    begun = time.monotonic()
    with hostile(answer) as url, pytest.raises(NotFetched, match="it sends less than 64 KiB per minute"):
        fetch(url, tmp_path, silent)  # the server would go on for ever
    assert time.monotonic() - begun < 10


def test_a_slow_server_that_makes_progress_is_waited_for(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "PROGRESS_SECONDS", 3.0)

    def steady(handler: BaseHTTPRequestHandler) -> None:
        body = (tiny_bundle / handler.path.rpartition("/")[2]).read_bytes()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for at in range(0, len(body), 200_000):
            handler.wfile.write(body[at : at + 200_000])
            handler.wfile.flush()
            time.sleep(0.2)

    with hostile(steady) as url:
        begun = time.monotonic()
        assert fetch(url, tmp_path / "here", silent).new
        assert time.monotonic() - begun > 3.0


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
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, b"private" in answer.read()) == (404, False), path
        connection.close()
    for method, status in (("HEAD", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405)):
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        connection.request(method, "/tiny/model.onnx")
        assert connection.getresponse().status == status
        connection.close()
