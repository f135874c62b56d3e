"""Makes untrusted text safe for a terminal or a table cell."""

import unicodedata


def plain(text: str) -> str:
    """Join text to one line without control, format and surrogate characters: they could alter other text."""
    return "".join(c for c in " ".join(text.split()) if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
