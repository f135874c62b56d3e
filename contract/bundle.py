"""The bundle manifest: what a model folder holds, where it came from and how it was made.

A bundle is a folder with `model.onnx`, `tokenizer.json` and `manifest.json`. The manifest lists the other
files with their sizes and SHA-256. A file that it does not list is not part of the bundle.
"""

import hashlib
import re
from collections.abc import Collection
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from contract import codec
from contract.errors import Malformed
from contract.fields import FILE_NAME, Bytes, Count, Name, Sha256, Text, UtcTime
from contract.version import MANIFEST_VERSION

MANIFEST_FILE: Final = "manifest.json"
MODEL_FILE: Final = "model.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"

MAX_MANIFEST_BYTES: Final = 1_048_576
MAX_TOKENIZER_BYTES: Final = 64 * 1_048_576
MAX_MODEL_BYTES: Final = 2**31  # protobuf's own limit; a bundle has no external data

Origin = Literal["hub", "local", "adapter", "random"]
Precision = Literal["fp32", "int8", "int4"]

_FILE_NAME = re.compile(FILE_NAME)


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Architecture(_Part, frozen=True, kw_only=True):
    """The shape of the network, in the terms of its paper."""

    family: Name
    """`model_type` of transformers: bert, distilbert, mobilebert, …"""
    layers: Count
    hidden_size: Count
    attention_heads: Count
    intermediate_size: Count
    vocab_size: Count
    max_positions: Count


class Weights(_Part, frozen=True, kw_only=True):
    """Where the weights came from. This decides what an accuracy is worth."""

    origin: Origin
    source: Text
    """A hub id, a folder's name, `adapter on base`, or the seed of random weights."""
    revision: str | None = None
    """Resolved commit of a hub repository, or `sha256:` and the digest of a local folder's files."""
    licence: str | None = None
    """SPDX identifier; None if the source states none."""
    training_data: str | None = None
    """What the question-answering head was trained on, if known."""
    training_articles: tuple[Text, ...] = ()
    """Titles of the articles that the head was trained on, if known, spelled as in question files. Questions
    about these articles do not test the model."""

    def trained_on(self, titles: Collection[str]) -> tuple[str, ...]:
        """Those of the titles whose articles the head is listed as trained on, in alphabetical order."""
        return tuple(sorted(set(titles).intersection(self.training_articles)))


class FileEntry(_Part, frozen=True, kw_only=True):
    """The size and digest that one file of the bundle must have."""

    bytes: Bytes
    sha256: Sha256


class Manifest(_Part, frozen=True, kw_only=True):
    """Everything that is known about a bundle without running it."""

    format_version: int
    model: Name
    """Short name that results are grouped by: `minilm-l6`."""
    title: Name
    """Name for people: `MiniLM-L6`."""
    architecture: Architecture
    parameters: Count
    distillation: Text
    """What was distilled and from what; `teacher` for a model that was not distilled."""
    weights: Weights
    precision: Precision
    recipe: dict[str, Any]
    """How the precision was reached: every option that changes the file, and what a search tried."""
    inputs: tuple[Name, ...]
    """Names of the graph's int64 inputs of shape (batch, tokens), in the order of the graph."""
    max_tokens: Count
    """Longest sequence that the model accepts, in tokens, special tokens included."""
    tools: dict[str, str]
    """Versions of the tools that built the bundle."""
    created_at: UtcTime
    files: dict[str, FileEntry]
    verification: dict[str, Any] | None = None
    """What was checked after the build, and the results."""


_DECODER = msgspec.json.Decoder(Manifest)


def bundle_name(text: str) -> str | None:
    """Return the text if it is a plain file name, which a bundle's folder must have; None otherwise."""
    return text if _FILE_NAME.fullmatch(text) else None


def bundle_digest(manifest: bytes) -> str:
    """Return the SHA-256 by which a bundle is known: that of its manifest's bytes, which name all others."""
    return hashlib.sha256(manifest).hexdigest()


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the content of a bundle's manifest file.

    It is written in the first version that has all of its fields, so that agents of that version read it.
    """
    return codec.encode(replace(manifest, format_version=MANIFEST_VERSION))


def decode_manifest(data: bytes) -> Manifest:
    """Decode and check a manifest.

    Raises:
        Malformed: the data is not a manifest, or lists files that a bundle may not have.
        TooNew: the manifest was written by a later distilbench.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise Malformed(
            f"bundle manifest has {len(data)} bytes, and at most {MAX_MANIFEST_BYTES} are allowed"
        )
    manifest = codec.decode(data, _DECODER, "bundle manifest")
    for name, entry in manifest.files.items():
        if not _FILE_NAME.fullmatch(name) or name == MANIFEST_FILE:
            raise Malformed(f"bundle manifest lists the file {name!r}, which is not a plain file name")
        limit = MAX_MODEL_BYTES if name == MODEL_FILE else MAX_TOKENIZER_BYTES
        if entry.bytes > limit:
            raise Malformed(
                f"bundle manifest lists {name!r} with {entry.bytes} bytes, and at most {limit} are allowed"
            )
    for name in (MODEL_FILE, TOKENIZER_FILE):
        if name not in manifest.files:
            raise Malformed(f"bundle manifest does not list {name!r}")
    return manifest
