"""A headless Chromium for tests: it opens pages and answers questions, by its DevTools protocol on a pipe."""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.installed import program

_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-extensions",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_OWN: Final = ("file:", "data:", "blob:")
_PATIENCE_SECONDS: Final = 120.0
_READ_BYTES: Final = 1 << 20
_OF_PROTOCOL: Final = (3, 4)
_FREE: Final = 16
"""A file descriptor from which on others are free."""


class Chromium:
    """One tab of a browser.

    Attributes:
        complaints: what pages wrote to the console as a warning or an error, and exceptions of scripts.
        requests: the addresses that pages asked for, without files and data of their own.
    """

    def __init__(self, to: int, back: int) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._to, self._back = to, back
        self._received = b""
        self._number = 0
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._hear(answer)

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the size of the window in pixels, and whether dark colours are preferred."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, page: Path) -> None:
        """Load a page."""
        self.send("Page.navigate", url=page.as_uri())
        self.wait_for(
            f"location.href.startsWith({json.dumps(page.as_uri())}) && document.readyState !== 'loading'"
        )

    def value(self, expression: str) -> Any:
        """Return the value of an expression of the page; a promise is awaited."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression of the page is true."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not self.value(condition):
            assert time.monotonic() < end, f"waited too long for {condition}"
            time.sleep(0.05)

    def cpu_seconds(self) -> float:
        """How long the tab's process has computed since it started, over all its threads."""
        metrics = self.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "ProcessTime"))

    def picture(self, to: Path, *, whole: bool = False) -> None:
        """Save what the window shows as PNG, or the whole page."""
        data = self.send("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole))["data"]
        to.write_bytes(base64.b64decode(data))

    def paper(self, to: Path) -> None:
        """Print the page to a PDF."""
        data = self.send("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"]
        to.write_bytes(base64.b64decode(data))

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def _receive(self) -> Any:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._back], [], [], _PATIENCE_SECONDS)
            assert ready, "the browser does not answer"
            data = os.read(self._back, _READ_BYTES)
            assert data, "the browser has ended"
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def _hear(self, event: Any) -> None:
        params = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"warning", "error"}:
                self.complaints.append(str(params["args"]))
            case "Network.requestWillBeSent" if not params["request"]["url"].startswith(_OWN):
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded" if params["entry"]["level"] in {"warning", "error"}:
                self.complaints.append(params["entry"]["text"])


@contextmanager
def chromium(profile: Path, *options: str) -> Iterator[Chromium]:
    """Start a browser with a new profile, and end it."""
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()
    # Out of the way of 3 and 4, which the browser uses for the protocol.
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, _FREE) for fd in (read_commands, write_answers)]

    def take_both() -> None:
        for fd, number in zip(theirs, _OF_PROTOCOL, strict=True):
            os.dup2(fd, number)

    command = [program("chromium", "google-chrome"), *_OPTIONS, f"--user-data-dir={profile}", *options]
    with subprocess.Popen(
        command,
        pass_fds=_OF_PROTOCOL,
        preexec_fn=take_both,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        for fd in (read_commands, write_answers, *theirs):
            os.close(fd)
        try:
            yield Chromium(write_commands, read_answers)
        finally:
            process.terminate()
            os.close(write_commands)
            os.close(read_answers)
