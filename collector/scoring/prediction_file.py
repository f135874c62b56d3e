"""Decodes prediction files: `{"question id": "answer"}`, or a list or JSON lines of ids and texts."""

from typing import Any, Final

import msgspec

from contract.codec import decode_json, printable
from contract.errors import Malformed
from contract.foreign.encodings import as_utf8
from contract.foreign.squad import are_json_lines, as_text
from contract.questions import MAX_QUESTION_FILE_BYTES

_WHAT: Final = "prediction file"

_Scalar = str | int | float


class _Prediction(msgspec.Struct, frozen=True):
    """A prediction as the library `evaluate` takes it."""

    id: _Scalar
    prediction_text: _Scalar | None = None


_DECODER: Final = msgspec.json.Decoder(dict[str, Any] | list[_Prediction])
_LINE_DECODER: Final = msgspec.json.Decoder(_Prediction)


def decode_predictions(data: bytes) -> dict[str, str]:
    """Decode a prediction file: answers by question id. Null is no answer, so its question is left out.

    Raises:
        Malformed: the file is not one of predictions; the sentence names the question or the line.
    """
    content = as_utf8(data, _WHAT, MAX_QUESTION_FILE_BYTES)
    found: dict[str, Any]
    if are_json_lines(content):
        lines = enumerate(content.split(b"\n"), start=1)
        rows = [
            decode_json(line, _LINE_DECODER, f"line {number} of the {_WHAT}")
            for number, line in lines
            if line.strip()
        ]
        found = _by_id(rows)
    else:
        decoded = decode_json(content, _DECODER, _WHAT)
        found = _by_id(decoded) if isinstance(decoded, list) else decoded
    for question_id, answer in found.items():
        if isinstance(answer, bool | dict | list):
            shown = printable(msgspec.json.encode(answer).decode())[:80]
            raise Malformed(f"{_WHAT} has {shown} as the answer to question {question_id!r}, not a text")
    return {question_id: as_text(answer) for question_id, answer in found.items() if answer is not None}


def _by_id(rows: list[_Prediction]) -> dict[str, Any]:
    return {as_text(row.id): row.prediction_text for row in rows}
