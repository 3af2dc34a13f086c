"""Numbers as people read them, in tables and in pictures."""

from __future__ import annotations

DIGITS = 4  # of a time, wherever it is shown


def format_number(number: float, digits: int = DIGITS) -> str:
    """
    Write a number with a given number of digits, without an exponent if it is large.

    Parameters
    ----------
    number : float
        The number.
    digits : int
        How many of its digits count.

    Returns
    -------
    str
        The number, such as ``"270"``.
    """
    text = f"{number:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text else text
