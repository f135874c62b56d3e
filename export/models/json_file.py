"""Reads the JSON files of a model's folder."""

from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from contract.codec import decode_json
from export.errors import BadInput

T = TypeVar("T")

FIELDS: Final = msgspec.json.Decoder(dict[str, Any])
"""Decodes an object with any fields, such as a configuration of transformers."""


def read_json(path: Path, decoder: msgspec.json.Decoder[T]) -> T:
    """Read and decode a JSON file.

    Raises:
        BadInput: the file cannot be read.
        Malformed: it does not fit the decoder.
    """
    try:
        return decode_json(path.read_bytes(), decoder, f"'{path}'")
    except OSError as error:
        raise BadInput(f"cannot read '{path}': {error.strerror or error}") from None
