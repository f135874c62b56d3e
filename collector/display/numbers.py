"""How numbers are written for people."""


def decimals(value: float | None, digits: int) -> str | None:
    """A number with so many decimals; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def span(interval: tuple[float, float] | None, digits: int) -> str | None:
    """An interval: `72.8 to 81.1`; None for one without width, such as a row against itself."""
    return (
        None
        if interval is None or interval[0] == interval[1]
        else f"{interval[0]:,.{digits}f} to {interval[1]:,.{digits}f}"
    )


def times(ratio: float | None) -> str | None:
    """A ratio: `6.69x`."""
    return None if ratio is None else f"{ratio:,.2f}x"


def megabytes(count: int | None) -> str | None:
    """Millions, of bytes or of parameters."""
    return None if count is None else f"{count / 1e6:,.1f}"


def signed(value: float, digits: int) -> str:
    """A difference: `+0.4`, `−13.2`, and `0.0` for what rounds to it."""  # noqa: RUF002  # a minus sign
    if not round(value, digits):
        return f"{0:.{digits}f}"
    return f"{value:+,.{digits}f}".replace("-", "−")  # noqa: RUF001  # a minus sign


def percent(value: float | None) -> str | None:
    """A share that is given in percent: `97.5 %`."""
    return None if value is None else f"{value:,.1f} %"
