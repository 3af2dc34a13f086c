from __future__ import annotations

import pytest

from skimage_tvflow.number_format import format_number


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (271.3, 2, "270"),
        (33.4, 2, "33"),
        (3.34, 2, "3.3"),
        (0.0334, 2, "0.033"),
        (2184533.0, 4, "2185000"),
        (0.044551, 4, "0.04455"),
        (1.0, 6, "1"),
        (0.0, 4, "0"),
        (3.23e-9, 2, "3.2e-09"),
    ],
)
def test_large_numbers_have_no_exponent(number, digits, text):
    assert format_number(number, digits) == text
