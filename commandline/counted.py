"""A number with what it counts, as it is read."""


def counted(count: int, one: str, many: str = "") -> str:
    """`1 run`, `2 runs`.

    Args:
        count: how many.
        one: what it counts, and the rest of the sentence where its verb depends on the number.
        many: the same for other numbers than 1; empty for `one` with an s.
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
