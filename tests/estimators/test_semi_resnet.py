"""TVFlowNet with the network of the paper: its answers, their bound, its training and files."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from skimage_tvflow import ChambolleTVFlow, TVFlowNet
from skimage_tvflow.core.published_network import published_scale


def quick(**params):
    usual = {"architecture": "semi-resnet", "max_epochs": 2, "random_state": 0, "patch_size": 12}
    return TVFlowNet(**{**usual, **params})


def rms(u):
    return np.sqrt(np.mean(np.square(u), axis=(-2, -1)))


@pytest.fixture(scope="module")
def net(image):
    return quick().fit(image)


class TestAnswers:
    def test_one_evaluation_in_the_units_of_the_paper(self, net, image):
        """For an image in [0, 1] and t up to 0.2, values and times are multiplied by five."""
        assert 0.5 < np.ptp(image) <= 1
        mean = image.mean()
        f = torch.from_numpy(5 * (image - mean)).float()[None, None]
        for t in (0.03, 0.2):
            with torch.no_grad():
                u, _ = net.net_(f, torch.tensor([5 * t]))
            expected = mean + u[0, 0].numpy() / 5
            np.testing.assert_allclose(net.transform(image, t), expected, atol=1e-6)
        assert net.solve(image, [0.03, 0.2], certify=False).n_iter == 2

    def test_later_times_by_windows(self, net, image):
        """Each goes on from the image at the end of the one before."""
        u = net.transform(0.8 * image, 0.2)
        assert published_scale(torch.from_numpy(u)) == 5
        u, expected = net.transform(u, 0.1), net.transform(0.8 * image, 0.3)
        np.testing.assert_allclose(expected, u, atol=1e-5)
        assert net.solve(0.8 * image, [0.3], certify=False).n_iter == 2

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [(0, 1, 5), (-0.3, 0.3, 5), (0, 0.5, 10), (0, 0.51, 5), (-1, 1, 2.5), (0, 256, 5 / 256),
         (3, 3, 1)],
    )  # fmt: skip
    def test_the_scale(self, low, high, expected):
        assert published_scale(torch.tensor([[low, high, high, low]])) == expected

    @pytest.mark.parametrize("t", [0.1, 0.5, 2.0])
    def test_are_within_their_bound(self, net, image, dtype, t):
        truth = ChambolleTVFlow(tol=1e-4).transform(image, [t / 2, t])
        result = net.solve(image.astype(dtype), [t / 2, t], return_dual=True)
        assert (rms(result.u - truth) <= result.error_bound).all()
        assert (result.error_bound < 2.5 * image.std()).all()
        assert np.sqrt((result.dual**2).sum(1)).max() <= 1 + 1e-6
        np.testing.assert_array_equal(result.u, net.transform(image.astype(dtype), [t / 2, t]))

    def test_a_start_that_is_not_the_image_is_charged(self, net, image):
        """At a time where nothing has moved, the error is the offset of the network itself."""
        found = net.solve(image, 1e-6)
        error = rms(found.u[0] - image)
        assert error > 1e-3
        assert found.error_bound[0] >= error * (1 - 1e-3)

    def test_other_times_do_not_count(self, net, image):
        alone = net.transform(image, 0.1)
        np.testing.assert_array_equal(net.transform(image, [0.02, 0.1, 0.15])[1], alone)
        np.testing.assert_array_equal(next(iter(net.staged_transform(image, [0.3, 0.1]))), alone)

    def test_it_ends_in_the_mean(self, net, image):
        for t in (image.std() * np.sqrt(image.size), 1e300):
            np.testing.assert_allclose(net.transform(image, t), image.mean(), atol=1e-6)
        constant = np.full((9, 8), 3.7)
        np.testing.assert_array_equal(net.transform(constant, [0.1, 7]), [constant] * 2)
        np.testing.assert_array_equal(net.transform(image, 0), image)

    def test_laws(self, net, image):
        u = net.transform(image, 0.1)
        np.testing.assert_allclose(net.transform(256 * image + 30, 25.6), 256 * u + 30, atol=2e-4)
        far = clone(net).set_params(spacing=2.0, max_epochs=2).fit(image).transform(image, 0.2)
        np.testing.assert_allclose(far, u, atol=1e-6)

    def test_signals_and_volumes(self, net):
        signal = np.random.default_rng(0).random(40)
        result = net.solve(signal, [0.1, 0.3], return_dual=True)
        assert result.dual.shape == (2, 1, 40)
        np.testing.assert_array_equal(net.transform(signal[None], 0.3)[0], result.u[1])
        truth = ChambolleTVFlow(tol=1e-4).transform(signal, [0.1, 0.3])
        assert (np.sqrt(np.mean((result.u - truth) ** 2, 1)) <= result.error_bound).all()
        volume = np.random.default_rng(0).random((5, 6, 7))
        solid = quick(max_epochs=1).fit(volume)
        found, truth = solid.solve(volume, 0.1), ChambolleTVFlow().transform(volume, 0.1)
        assert np.sqrt(np.mean((found.u[0] - truth) ** 2)) <= found.error_bound[0]

    def test_callback_stops(self, net, image):
        result = net.solve(image, [0.05, 5.0], callback=lambda progress: progress.time >= 0.05)
        assert result.times.tolist() == [0.05]

    def test_on_a_device(self, net, image, device):
        u = net.transform(torch.from_numpy(image).to(device), [0.1, 0.2])
        assert u.device.type == device
        np.testing.assert_allclose(u.cpu().numpy(), net.transform(image, [0.1, 0.2]), atol=1e-4)

    @pytest.mark.parametrize("value", [np.nan, 1e38, 9e3])
    def test_absurd_weights_are_no_answer(self, image, value):
        flow = quick(max_epochs=1).fit(image)
        with torch.no_grad():
            for layer in flow.net_.layers:
                layer.weight.fill_(value)
        kind, words = (ValueError, "of net_ has") if not value < 1e4 else (OverflowError, "float32")
        with pytest.raises(kind, match=words):
            flow.transform(image, 0.1)


class TestShippedWeights:
    """What was learned from made images holds for a photograph."""

    def test_are_near_the_flow(self, image):
        times = np.linspace(0.02, 0.2, 10)
        truth = ChambolleTVFlow().transform(image, times)
        result = TVFlowNet.from_pretrained("paper-2d").solve(image, times)
        error = rms(result.u - truth)
        assert np.sqrt(np.mean(error**2)) < 10 ** (-31 / 20)
        assert (error <= result.error_bound).all()

    def test_late_times_stay_within_the_contrast(self, image):
        """Twenty windows on, far beyond what the weights have seen."""
        times = [1.0, 4.0]
        truth = ChambolleTVFlow().transform(image, times)
        result = TVFlowNet.from_pretrained("paper-2d").solve(image, times)
        error = rms(result.u - truth)
        assert (error <= result.error_bound).all()
        assert (error < image.std()).all()


class TestTrainingAndFiles:
    def test_training_is_what_the_seed_says(self, image):
        first, again = (quick().fit(image) for _ in range(2))
        assert first.loss_curve_ == again.loss_curve_
        assert first.loss_curve_ != quick(random_state=1).fit(image).loss_curve_
        with torch.no_grad():
            assert quick().fit(image).loss_curve_ == first.loss_curve_

    def test_an_interrupted_training_ends_with_the_same_weights(self, image, tmp_path):
        whole = quick(max_epochs=4).fit(image)
        flow = quick(max_epochs=4, checkpoint_dir=tmp_path)
        flow.fit(image, callback=lambda progress: progress.fraction > 0.6)
        assert flow.n_iter_ < 4
        flow.fit(image)
        assert flow.loss_curve_ == whole.loss_curve_
        for a, b in zip(whole.net_.parameters(), flow.net_.parameters()):
            assert torch.equal(a, b)

    @pytest.mark.parametrize("activation", ["mixed", "relu", "softplus"])
    def test_saved_and_loaded(self, image, tmp_path, activation):
        flow = quick(max_epochs=1, activation=activation).fit(image)
        flow.save_pretrained(tmp_path / "mine.safetensors")
        loaded = TVFlowNet.from_pretrained(tmp_path / "mine.safetensors")
        assert (loaded.architecture, loaded.activation) == ("semi-resnet", activation)
        expected = flow.transform(image, 0.1)
        np.testing.assert_array_equal(loaded.transform(image, 0.1), expected)
        np.testing.assert_array_equal(clone(loaded).transform(image, 0.1), expected)

    def test_weights_of_another_kind_are_refused(self, image, tmp_path):
        path = tmp_path / "mine.safetensors"
        quick(max_epochs=1).fit(image).save_pretrained(path)
        for params, words in (
            ({"architecture": "unrolled"}, "architecture='unrolled' is not that of the weights"),
            ({"activation": "relu"}, "activation='relu' is not that of the weights, 'mixed'"),
        ):
            with pytest.raises(ValueError, match=words):
                TVFlowNet.from_pretrained(path, **params)
        with pytest.raises(ValueError, match="Pass architecture='semi-resnet'"):
            TVFlowNet(weights=path).transform(image)
        with pytest.raises(ValueError, match="Pass architecture='unrolled'"):
            quick(weights="natural-2d").fit(image)

    def test_another_kind_needs_another_fit(self, image):
        flow = quick(max_epochs=1, warm_start=True).fit(image)
        flow.set_params(architecture="unrolled")
        for call in (flow.transform, flow.fit):
            with pytest.raises(ValueError, match="architecture='unrolled' is not that of"):
                call(image)

    def test_there_is_nothing_to_refine(self, image):
        with pytest.raises(ValueError, match=r"refine=2 .*no steps .*Pass refine=0"):
            quick(refine=2).fit(image)


@pytest.mark.parametrize("params", [{}, {"batch_axis": 0}], ids=str)
@pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
def test_nothing_fails_and_nothing_is_excused(params):
    flow = TVFlowNet(architecture="semi-resnet", max_epochs=3, **params)
    results = check_estimator(flow, on_fail=None, on_skip=None)
    assert not [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert not [r for r in results if r["status"] == "xfail"]
    passed = [r for r in results if r["status"] == "passed"]
    assert len(passed) >= (40 if params else 1)
