from __future__ import annotations

import inspect

import pytest

from skimage_tvflow import ChambolleTVFlow, TVFlowNet
from skimage_tvflow._cli import _words
from skimage_tvflow._cli._words import in_options


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("Pass channel_axis=-1.", "Type --channel-axis -1."),
        ("either pass n_steps=50, order=1.", "either type --steps 50 --order 1."),
        ("Pass spacing=(1.0, 0.5).", "Type --spacing 1.0,0.5."),
        ("Pass spacing=(1.0,).", "Type --spacing 1.0."),
        ("Pass device='cpu' or 'auto'.", "Type --device cpu or 'auto'."),
        (
            "coupled_channels=True got channel_axis=None",
            "--coupled-channels got --channel-axis none",
        ),
        (
            "missed the error asked for, tol=1e-09: pass a larger tol or max_num_iter (now 2)",
            "missed the error asked for, --tol 1e-09: try a larger --tol or --max-num-iter (now 2)",
        ),
        ("device must be a string", "--device must be a string"),
        ("in the order of the spacing", "in the order of the spacing"),  # just English
        ("a file of shape (3, 4), tolerant", "a file of shape (3, 4), tolerant"),
    ],
)
def test_parameters_become_options(python, shell):
    assert in_options(python) == shell


def test_every_parameter_that_is_translated_exists():
    known = [inspect.signature(flow).parameters for flow in (ChambolleTVFlow, TVFlowNet)]
    assert set(_words._OPTIONS) <= set().union(*known)
