"""Writes YAML that every parser reads alike: blocks, with texts in quotation marks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

_INDENT: Final = "  "
_PLAIN_KEY: Final = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z][a-z0-9_-]*")
"""A key that needs no quotation marks: one that YAML 1.1 does not read as a truth value or as nothing."""
_WITHOUT_POINT: Final = re.compile(r"^(-?\d+)(e.*)$")
"""A number that YAML 1.1 reads as a text, since it has an exponent and no decimal point."""


def yaml_text(value: Mapping[str, Any]) -> str:
    """Write a mapping as YAML.

    Args:
        value: texts, finite numbers, booleans, and lists and mappings of such; no mapping in it is empty.
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = key if _PLAIN_KEY.fullmatch(key) else _scalar(key)
            if not _is_block(inner):
                yield f"{name}: {_flow(inner)}"
                continue
            yield f"{name}:"
            yield from (_INDENT * isinstance(inner, Mapping) + line for line in _lines(inner))
        return
    for item in value:
        first, *rest = _lines(item) if _is_block(item) else [_flow(item)]
        yield f"- {first}"
        yield from (_INDENT + line for line in rest)


def _is_block(value: Any) -> bool:
    """Whether a value has lines of its own: a mapping, or a list that contains one."""
    return isinstance(value, Mapping) or (_is_list(value) and any(map(_is_block, value)))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _flow(value: Any) -> str:
    return f"[{', '.join(map(_flow, value))}]" if _is_list(value) else _scalar(value)


def _scalar(value: str | float | bool) -> str:
    if isinstance(value, float):
        return _WITHOUT_POINT.sub(r"\1.0\2", repr(value))
    written = msgspec.json.encode(value).decode()
    return "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in written)
