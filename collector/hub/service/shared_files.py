"""What boards fetch after they have joined: bundles, and question files without gold answers."""

import json
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from collector.hub.service.access import Access, Denied
from collector.hub.service.joining import wheel_file, wheel_list
from collector.hub.wheels.shelf import Shelf
from collector.orders.offered import question_files
from collector.serving.bundle_server import bundle_file, names
from collector.serving.http_server import file_answer, is_plain
from commandline.disk import write_whole
from contract.bundle import bundle_name
from contract.errors import ContractError
from contract.questions import MAX_QUESTION_FILE_BYTES, Question, decode_questions

_GIVEN_AWAY: Final = "answers-removed"


class SharedFiles:
    """Answers requests for bundles, questions and wheels, from devices that have joined or with a pass.

    Args:
        bundles: the folder of bundles.
        questions: the folder of question files, which may have gold answers.
        cache: the folder for the same files without gold answers.
        access: decides who is answered.
        shelf: the wheels.
    """

    def __init__(self, bundles: Path, questions: Path, cache: Path, access: Access, shelf: Shelf) -> None:
        self._bundles = bundles
        self._questions = questions
        self._cache = cache
        self._access = access
        self._shelf = shelf
        self._lock = Lock()

    def bundle_list(self, request: Request) -> Response:
        """Return the names of the bundles, one per line."""
        self._access.by_login(request)
        return _lines(names(self._bundles))

    def bundle(self, request: Request) -> Response:
        """Return a file of a bundle, or the rest of it."""
        self._access.by_login(request)
        asked = request.path_params
        file = bundle_file(self._bundles, asked["bundle"], asked["file"]) if is_plain(request) else None
        return _found(file, request)

    def question_list(self, request: Request) -> Response:
        """Return the names of the question files, one per line."""
        self._access.by_login(request)
        return _lines(question_files(self._questions))

    def questions(self, request: Request) -> Response:
        """Return a question file without gold answers, or the rest of it."""
        self._access.by_login(request)
        name = request.path_params["name"]
        file = None
        if bundle_name(name) is not None and is_plain(request):
            file = self._without_golds(name)
        return _found(file, request)

    async def wheels(self, request: Request) -> Response:
        """Return the lines `SHA256  FILENAME` of what a board installs."""
        await run_in_threadpool(self._access.by_login, request)
        return await wheel_list(self._shelf, request)

    def wheel(self, request: Request) -> Response:
        """Return a wheel, or the rest of it."""
        self._access.by_login(request)
        return wheel_file(self._shelf, request)

    def _without_golds(self, name: str) -> BinaryIO | None:
        """Open the copy of a question file that has no gold answers; make it if the file is newer."""
        source = self._questions / name
        try:
            found = source.stat()
            kept = self._cache / f"{name}.{found.st_mtime_ns}-{found.st_size}.{_GIVEN_AWAY}"
            with self._lock:
                if not kept.exists():
                    for old in self._cache.glob(f"{name}.*.{_GIVEN_AWAY}"):
                        old.unlink()
                    with source.open("rb") as file:
                        read = decode_questions(file.read(MAX_QUESTION_FILE_BYTES + 1), answerable_only=True)
                    write_whole(kept, squad_without_golds(read.questions))
            return kept.open("rb")
        except FileNotFoundError:
            return None
        except ContractError as error:
            raise Denied(
                HTTPStatus.SERVICE_UNAVAILABLE, f"the questions {name!r} cannot be read: {error}"
            ) from None
        except OSError as error:
            why = f"the hub cannot copy the questions {name!r}: {error.strerror or error}"
            raise Denied(HTTPStatus.INSUFFICIENT_STORAGE, why) from None


def squad_without_golds(questions: tuple[Question, ...]) -> bytes:
    """Return questions as a SQuAD v1.1 file whose questions have no answers; the digest stays the same."""
    articles: dict[str, dict[str, list[dict[str, object]]]] = {}
    for question in questions:
        paragraphs = articles.setdefault(question.title, {})
        asked: dict[str, object] = {"id": question.id, "question": question.question, "answers": []}
        paragraphs.setdefault(question.context, []).append(asked)
    data = [
        {
            "title": title,
            "paragraphs": [{"context": context, "qas": qas} for context, qas in paragraphs.items()],
        }
        for title, paragraphs in articles.items()
    ]
    return json.dumps({"version": "1.1", "data": data}, ensure_ascii=False).encode()


def _found(file: BinaryIO | None, request: Request) -> Response:
    if file is None:
        raise Denied(HTTPStatus.NOT_FOUND, "the hub has no such file")
    return file_answer(file, request)


def _lines(found: list[str]) -> Response:
    return PlainTextResponse("".join(f"{name}\n" for name in found))
