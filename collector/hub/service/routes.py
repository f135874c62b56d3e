"""The paths of the hub's HTTPS service, and how an error becomes an answer of one sentence."""

import functools
import inspect
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collector.errors import CollectorError, StorageUnavailable
from collector.hub.service.access import Denied
from collector.hub.service.joining import Joining
from collector.hub.service.metrics import Metrics
from collector.hub.service.shared_files import SharedFiles


def routes(joining: Joining, shared: SharedFiles, metrics: Metrics) -> list[Route]:
    """Return what the service answers."""
    read: tuple[tuple[str, Callable[[Request], Any]], ...] = (
        ("/join/{secret}", joining.script),
        ("/join/{secret}/wheels", joining.wheels),
        ("/join/{secret}/wheels/{name}", joining.wheel),
        ("/join/{secret}/files/{name}", joining.file),
        ("/files/{name}", joining.file_of_joined),
        ("/order-secret", joining.order_secret),
        ("/bundles/", shared.bundle_list),
        ("/bundles/{bundle}/{file}", shared.bundle),
        ("/questions/", shared.question_list),
        ("/questions/{name}", shared.questions),
        ("/wheels", shared.wheels),
        ("/wheels/{name}", shared.wheel),
        ("/metrics", metrics.answer),
    )
    return [
        *(Route(path, _in_a_sentence(answer), methods=["GET"]) for path, answer in read),
        Route("/join/{secret}/credentials", _in_a_sentence(joining.credentials), methods=["POST"]),
    ]


def _in_a_sentence(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Answer with a sentence instead of an error; a client never sees how the hub works inside."""

    @functools.wraps(answer)
    async def answered(request: Request) -> Response:
        try:
            if inspect.iscoroutinefunction(answer):
                found: Response = await answer(request)
                return found
            return await run_in_threadpool(answer, request)
        except Denied as denied:
            status, sentence = denied.status, denied.sentence
        except StorageUnavailable as error:
            status, sentence = HTTPStatus.INSUFFICIENT_STORAGE, f"the hub cannot do this now: {error}"
        except CollectorError as error:
            status, sentence = HTTPStatus.SERVICE_UNAVAILABLE, f"the hub cannot do this now: {error}"
        headers = {"WWW-Authenticate": 'Basic realm="distilbench hub"'} if status == 401 else {}
        return PlainTextResponse(f"{sentence}\n", status, headers | {"Cache-Control": "no-store"})

    return answered
