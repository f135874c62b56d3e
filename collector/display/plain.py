"""Untrusted text on its way to a terminal or a table cell."""

import unicodedata


def plain(text: str) -> str:
    """One line without control, format and surrogate characters, which could rewrite what is around them."""
    return "".join(c for c in " ".join(text.split()) if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
