"""Writes numbers for people."""


def decimals(value: float | None, digits: int) -> str | None:
    """Write a number with `digits` decimals; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def span(interval: tuple[float, float] | None, digits: int) -> str | None:
    """Write an interval, as in `72.8 to 81.1`; None if its ends are equal, as for a row against itself."""
    return (
        None
        if interval is None or interval[0] == interval[1]
        else f"{interval[0]:,.{digits}f} to {interval[1]:,.{digits}f}"
    )


def times(ratio: float | None) -> str | None:
    """Write a ratio, as in `6.69x`; None stays None."""
    return None if ratio is None else f"{ratio:,.2f}x"


def megabytes(count: int | None) -> str | None:
    """Write a number of bytes or parameters in millions, without a unit; None stays None."""
    return None if count is None else f"{count / 1e6:,.1f}"


def signed(value: float, digits: int) -> str:
    """Write a difference, as in `+0.4` or `−13.2`; one that rounds to 0 has no sign."""  # noqa: RUF002  # a minus sign
    if not round(value, digits):
        return f"{0:.{digits}f}"
    return f"{value:+,.{digits}f}".replace("-", "−")  # noqa: RUF001  # a minus sign


def signed_span(interval: tuple[float, float], digits: int) -> str:
    """Write the interval of a difference, as in `+0.4 to +1.2`."""
    return f"{signed(interval[0], digits)} to {signed(interval[1], digits)}"


def percent(value: float | None) -> str | None:
    """Write a number of percent, as in `97.5 %`; None stays None."""
    return None if value is None else f"{value:,.1f} %"
