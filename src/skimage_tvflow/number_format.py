"""Numbers as text, in tables and in pictures."""

from __future__ import annotations

DIGITS = 4  # significant digits of a time, in every table and picture


def format_number(number: float, digits: int = DIGITS) -> str:
    """
    Write a number with a given number of digits, without an exponent if it is large.

    Parameters
    ----------
    number : float
        The number.
    digits : int
        Significant digits.

    Returns
    -------
    str
        The number, such as ``"270"``.
    """
    text = f"{number:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text else text
