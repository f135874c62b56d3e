import urllib.error
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime

import pytest

from agent.bundles import retries
from agent.bundles.retries import Retries

SLEPT: list[float] = []


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    SLEPT.clear()
    monkeypatch.setattr("agent.bundles.retries.time.sleep", SLEPT.append)
    monkeypatch.setattr("agent.bundles.retries.random.random", lambda: 0.0)


def answer(code: int, retry_after: str | None = None) -> urllib.error.HTTPError:
    headers = Message()
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return urllib.error.HTTPError("http://host/x", code, "reason", headers, None)


def test_waits_grow_and_the_last_failure_does_not_wait() -> None:
    attempts = Retries()
    tried = [attempts.wait(ConnectionResetError()) for _ in range(5)]
    assert tried == [True, True, True, True, False]
    assert SLEPT == [0.5, 1.0, 2.0, 4.0]


def test_a_busy_server_is_asked_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "BUSY_SECONDS", 600.0)
    attempts = Retries()
    assert all(attempts.wait(answer(503)) for _ in range(30))
    assert max(SLEPT) == retries.MAX_WAIT_SECONDS
    monkeypatch.setattr(retries, "BUSY_SECONDS", -1.0)
    assert not Retries().wait(answer(429))


def test_what_the_server_asks_for_is_kept_within_bounds() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    for text, seconds in (("7", 7.0), ("100000", 60.0), (past, 0.5), ("-3", 0.5), ("soon", 0.5), ("", 0.5)):
        Retries().wait(answer(503, text))
        assert SLEPT.pop() == seconds, text
    Retries().wait(answer(503, soon))
    assert 25.0 < SLEPT.pop() <= 30.0


@pytest.mark.parametrize("code", [302, 401, 403, 404, 410])
def test_an_answer_that_will_not_change_is_final(code: int) -> None:
    assert not Retries().wait(answer(code))
    assert SLEPT == []
