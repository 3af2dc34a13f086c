"""The paper's competitors: how near they come, what they learn, what they refuse."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from exact_flow import exact_flow
from skimage_tvflow import ChambolleTVFlow, certify
from skimage_tvflow.baselines import BandNetTVFlow, BladeTVFlow, PINNTVFlow
from skimage_tvflow.learned.synthetic import dead_leaves

SUPERVISED = [BladeTVFlow(), BandNetTVFlow(max_num_iter=200, width=12, n_layers=4, lr=3e-3)]
ALL = [*SUPERVISED, PINNTVFlow(max_num_iter=20, n_points=128, width=16)]
TIMES = [0.05, 0.1, 0.2]


def name_of(flow):
    return type(flow).__name__


def psnr(u, truth):
    return -10 * np.log10(np.mean((u - truth) ** 2))


@pytest.fixture(scope="module")
def leaves():
    return [dead_leaves(np.random.default_rng(k), (48, 40)) for k in range(4)]


@pytest.fixture(scope="module")
def truth(image):
    return ChambolleTVFlow().transform(image, TIMES)


@pytest.fixture
def fitted(leaves, request):
    return clone(request.param).fit(leaves)


@pytest.mark.parametrize(
    ("fitted", "gain"),
    [(SUPERVISED[0], 8), (SUPERVISED[1], 2)],
    indirect=["fitted"],
    ids=["blade", "bands"],
)
def test_what_was_learned_holds_for_a_photograph(fitted, gain, image, truth):
    """In dB above taking the image for its flow."""
    assert psnr(fitted.transform(image, TIMES), truth) > psnr(image, truth) + gain


@pytest.mark.parametrize("fitted", ALL, indirect=True, ids=name_of)
class TestAll:
    def test_laws(self, fitted, image):
        small = image[:24, :20]
        u = fitted.transform(small, TIMES)
        moved = fitted.transform(64 * small + 3, [64 * t for t in TIMES])
        np.testing.assert_allclose(moved, 64 * u + 3, atol=1e-3)
        np.testing.assert_array_equal(fitted.transform(small, 0), small)
        np.testing.assert_array_equal(fitted.transform(np.full((8, 9), 3.0), 1.0), 3.0)

    def test_items_colours_and_kinds_of_arrays(self, fitted, image):
        small = image[:24, :20].astype(np.float32)
        u = fitted.transform(small, TIMES)
        colours = np.stack([small, 1 - small], -1)
        coloured = clone(fitted).set_params(channel_axis=-1)
        vars(coloured).update({k: v for k, v in vars(fitted).items() if k.endswith("_")})
        np.testing.assert_allclose(coloured.transform(colours, TIMES)[..., 0], u, atol=1e-5)
        given = torch.from_numpy(small)
        np.testing.assert_array_equal(fitted.transform(given, TIMES), torch.from_numpy(u))
        assert u.dtype == np.float32

    def test_the_bound(self, fitted, image):
        small = image[:24, :20]
        result = fitted.solve(small, TIMES)
        errors = np.sqrt(
            np.mean((result.u - ChambolleTVFlow().transform(small, TIMES)) ** 2, (1, 2))
        )
        assert (errors <= result.error_bound).all()
        tracked = certify(small, result.u, None, TIMES).error_bound
        assert (errors <= tracked + 1e-3 * small.std()).all()
        with pytest.raises(ValueError, match=r"no dual variable\. Pass return_dual=False"):
            fitted.solve(small, TIMES, return_dual=True)

    def test_refusals(self, fitted, image):
        for params, words in (
            ({"spacing": (1, 2)}, "differs between axes"),
            ({"coupled_channels": True, "channel_axis": -1}, "separate images"),
            ({"t": -1}, "t must be >= 0"),
        ):
            flow = clone(fitted).set_params(**params)
            with pytest.raises(ValueError, match=words):
                flow.transform(np.stack([image] * 3, -1) if "channel_axis" in params else image)


@pytest.mark.parametrize("flow", SUPERVISED, ids=name_of)
def test_learning(flow, leaves, image):
    with pytest.raises(NotFittedError):
        clone(flow).transform(image)
    small = [leaf[:20, :20] for leaf in leaves[:2]]
    first, again = (clone(flow).fit(small).transform(image, 0.1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    with pytest.raises(ValueError, match="nothing to learn from: every image is constant"):
        clone(flow).fit(np.ones((9, 9)))
    for volume in (np.random.default_rng(0).random((5, 6, 7)), [np.zeros((5, 6, 7))]):
        with pytest.raises(ValueError, match=r"3 spatial axes, and .* takes images of 2"):
            clone(flow).fit(volume)


def test_blade_learns_linear_filters_exactly(monkeypatch, leaves):
    """Where the flow is a blur, the filters are the blur: a truth that is known."""

    def blurred(images, times):
        weights = [0.1, 0.2, -0.6, 0.2, 0.1]
        paths = []
        for f in images:
            path = [f]
            for _ in times:
                u = np.pad(path[-1], 2, mode="symmetric")
                change = sum(w * u[2:-2, k : k + f.shape[1]] for k, w in enumerate(weights))
                path.append(path[-1] + 0.1 * change)
            paths.append(np.stack(path[1:]))
        return paths

    monkeypatch.setattr("skimage_tvflow.baselines.blade.flows_of", blurred)
    flow = BladeTVFlow(t=0.05).fit(leaves)
    image = leaves[0].astype(float)
    (expected,) = blurred([image], [1])
    np.testing.assert_allclose(flow.transform(image, 0.05 * image.std()), expected[0], atol=2e-3)


def test_even_filters_are_refused(image):
    with pytest.raises(ValueError, match=r"size=4 is even, .*Pass size=5"):
        BladeTVFlow(size=4).fit(image)


def test_a_pinn_learns_a_smooth_flow():
    """A slow wave: the network can be that smooth, and gets to the exact flow."""
    wave = np.cos(np.pi * np.arange(32) / 31)
    exact = exact_flow(wave, [1.0, 3.0])
    u = PINNTVFlow(max_num_iter=600, n_points=256, width=32).transform(wave, [1.0, 3.0])
    assert psnr(u, exact) > psnr(wave, exact) + 10
