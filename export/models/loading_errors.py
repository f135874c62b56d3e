"""Says in a sentence why a checkpoint cannot be loaded, instead of what a library says to its programmers."""

import re
from pathlib import Path
from typing import Final

from contract.foreign.encodings import LFS_POINTER
from export.errors import BadInput, first_line

_CHECKED_SUFFIXES: Final = frozenset({".bin", ".json", ".model", ".onnx", ".safetensors", ".txt"})
_TOKENIZER_FILES: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")

_MISMATCH: Final = re.compile(
    r"size mismatch for (\S+): .*?torch\.Size\((\[[^]]*\])\).*?torch\.Size\((\[[^]]*\])\)", re.DOTALL
)
_OF_OTHERS: Final = re.compile(r"there is a file for (TensorFlow|Flax) weights|from_(tf|flax)=True")
_DAMAGED: Final = re.compile(
    r"deserializing header|header too|HeaderTooLarge|incomplete metadata|MetadataIncompleteBuffer|"
    r"PytorchStreamReader|Unable to load weights from pytorch checkpoint|Unable to load .* checkpoint|"
    r"unpickl|pickle|Ran out of input|unexpected EOF",
    re.IGNORECASE,
)
_NO_WEIGHTS: Final = re.compile(r"no file named .*(pytorch_model\.bin|model\.safetensors)")
_AGAIN: Final = "copy or download it again"


def check_files(folder: Path) -> None:
    """Check that no file of a folder is a pointer that Git leaves instead of a large file.

    Raises:
        BadInput: one is; the sentence says what to do.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix in _CHECKED_SUFFIXES and path.is_file():
            check_file(path)


def check_file(path: Path) -> None:
    """Check that a file is no pointer of Git LFS; see `check_files`."""
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS_POINTER))
    except OSError as error:
        raise BadInput(f"cannot read '{path}': {error.strerror or error}") from None
    if start == LFS_POINTER:
        raise BadInput(
            f"'{path}' is a Git LFS pointer, not the file itself: run 'git lfs pull' where it was cloned, "
            "and copy it again"
        )


def check_tokenizer_is_there(folder: Path) -> None:
    """Check that a folder has a file that a tokenizer can be made of.

    Raises:
        BadInput: it has none.
    """
    if not any(any(folder.glob(name)) for name in _TOKENIZER_FILES):
        raise BadInput(
            f"'{folder}' has no tokenizer: copy tokenizer.json from the model that it was made from into it"
        )


def why(error: BaseException) -> str:
    """The reason in a library's error, in our words where they are known."""
    text = str(error)
    if found := _MISMATCH.search(text):
        name, theirs, ours = found.groups()
        return f"the weights {name!r} have the shape {theirs}, but its config.json describes {ours}"
    if _DAMAGED.search(text) or isinstance(error, EOFError):
        return f"its file of weights is damaged or cut off: {_AGAIN}"
    if _OF_OTHERS.search(text):
        return "it has no weights of PyTorch: convert them, or download model.safetensors"
    if _NO_WEIGHTS.search(text):
        return f"it has no weights: it needs model.safetensors or pytorch_model.bin ({_AGAIN})"
    return first_line(error).rstrip(":") or type(error).__name__
