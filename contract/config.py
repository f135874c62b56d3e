"""A program's configuration file: flat TOML whose keys are the program's own options.

The collector writes such a file for a new device, and the agent reads it. The file holds no secret, only the
path of one.
"""

import difflib
import json
import textwrap
import tomllib
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from contract.codec import printable
from contract.errors import Malformed
from contract.foreign.encodings import encoding_of

MAX_CONFIG_BYTES: Final = 65_536

Value = str | int | float | bool
"""A value of a key."""


def decode_config(data: bytes, keys: Collection[str]) -> dict[str, Value]:
    """Decode a configuration file.

    Args:
        data: the file's bytes.
        keys: the keys that it may set.

    Raises:
        Malformed: the file is not TOML, has an unknown key (the message names the nearest one), or has a
            table or list as a value.
    """
    values = {}
    for key, value in decode_toml(data, "configuration file").items():
        check_key(key, keys, "configuration file")
        if not isinstance(value, str | int | float | bool):
            raise Malformed(f"configuration file: {key!r} must be one text, one number, true or false")
        values[key] = value
    return values


def decode_toml(data: bytes, what: str) -> dict[str, object]:
    """Decode TOML of a limited size.

    Raises:
        Malformed: the data is too large, not UTF-8, or not TOML.
    """
    if len(data) > MAX_CONFIG_BYTES:
        raise Malformed(f"{what} has {len(data)} bytes, and at most {MAX_CONFIG_BYTES} are allowed")
    try:
        return tomllib.loads(data.decode(encoding_of(data)).removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise Malformed(f"{what} is not UTF-8 text: save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Malformed(f"{what} is not TOML: {printable(str(error))}") from None


def check_key(key: str, keys: Collection[str], what: str) -> None:
    """Check that a key is one of `keys`.

    Raises:
        Malformed: the key is unknown; the message names the nearest one.
    """
    if key in keys:
        return
    near = difflib.get_close_matches(key.replace("_", "-"), keys, 1)
    advice = f"did you mean {near[0]!r}?" if near else f"the known keys are {', '.join(sorted(keys))}"
    raise Malformed(f"{what} has the unknown key {printable(key)[:80]!r}: {advice}")


def encode_value(value: Value) -> str:
    """Return a value as TOML."""
    if isinstance(value, str):
        # TOML reads strings as JSON writes them, except DEL, which JSON does not escape.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def encode_config(values: Mapping[str, Value]) -> str:
    """Return the text of a configuration file with these keys and values."""
    return "".join(f"{key} = {encode_value(value)}\n" for key, value in values.items())


class Key(NamedTuple):
    """One key that a configuration file may set."""

    name: str
    explanation: str
    """What the key does, in a sentence."""
    variable: str
    """The environment variable that outranks the key."""
    default: Value | None


_COMMENT: Final = textwrap.TextWrapper(
    100, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
)


def explain_config(keys: Iterable[Key], given: Mapping[str, Value]) -> str:
    """Return the text of a configuration file that explains every key; keys not in `given` are comments."""
    lines = []
    for key in keys:
        lines += ["", *_COMMENT.wrap(f"{key.explanation} {key.variable}")]
        if key.name in given:
            lines.append(f"{key.name} = {encode_value(given[key.name])}")
        else:
            lines.append(f"#{key.name} = {'' if key.default is None else encode_value(key.default)}".rstrip())
    return "\n".join(lines) + "\n"
