"""A number with its noun in the singular or the plural."""


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 run`, `2 runs`.

    Args:
        count: the number.
        one: the noun for 1, with the verb after it if that depends on the number.
        many: the same for all other numbers; if empty, `one` with an s.
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
