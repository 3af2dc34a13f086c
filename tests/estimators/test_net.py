"""TVFlowNet: training, files of weights in use, answers with a bound, what scikit-learn asks."""

import functools
import pickle
import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from exact_flow import exact_flow
from skimage_tvflow import ChambolleTVFlow, TVFlowNet, certify, tv_flow
from skimage_tvflow.core import progress as clock
from skimage_tvflow.learned import weight_files


def raise_mine(progress):
    raise RuntimeError("mine")


def rms(u, axis=None):
    return np.sqrt(np.mean(np.square(u), axis=axis))


@pytest.fixture(scope="module")
def net():
    return TVFlowNet.from_pretrained()


@pytest.fixture(scope="module")
def truth_of(image):
    """The flow of the natural image at half a time and the whole, much nearer than a bound."""
    flow = ChambolleTVFlow(tol=2e-4)
    return functools.cache(lambda t: flow.transform(image, [t / 2, t]))


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [rng.random(shape) for shape in ((20, 24), (31, 17), (16, 16))]


def quick(**params):
    return TVFlowNet(**{"max_epochs": 2, "random_state": 0, "patch_size": 12, **params})


class TestAnswers:
    def test_are_near_the_flow(self, net, image):
        times = np.linspace(0.02, 0.2, 10)
        truth = ChambolleTVFlow(n_steps=200).transform(image, times)
        error = rms(net.transform(image, times) - truth)
        assert error < 10 ** (-53 / 20)
        finer = TVFlowNet.from_pretrained(n_steps=48).transform(image, times)
        assert rms(finer - truth) < error / 2

    def test_refinement_betters_them(self, net, image):
        truth = ChambolleTVFlow(n_steps=200).transform(image, [0.1, 0.2])
        error = rms(net.transform(image, [0.1, 0.2]) - truth)
        refined = TVFlowNet.from_pretrained(refine=8).transform(image, [0.1, 0.2])
        assert rms(refined - truth) < error

    @pytest.mark.parametrize("t", [0.05, 0.2, 1.0, 5.0, 50.0])
    @pytest.mark.parametrize("n_steps", [4, 16])
    def test_are_within_their_bound(self, image, truth_of, t, n_steps, dtype):
        given, truth = image.astype(dtype), truth_of(t)
        flow = TVFlowNet.from_pretrained(n_steps=n_steps)
        result = flow.solve(given, [t / 2, t], return_dual=True)
        error = rms(result.u - truth, (1, 2))
        assert (error <= result.error_bound + 4e-4 * image.std()).all()
        assert np.sqrt((result.dual**2).sum(1)).max() <= 1 + 1e-5
        again = certify(given, result.u, result.dual, result.times).error_bound
        assert (error <= again + 4e-4 * image.std()).all()
        assert result.u.dtype == dtype

    def test_signals_are_images_of_one_row(self, net):
        signal = np.random.default_rng(0).random(40)
        result = net.solve(signal, [0.1, 0.3], return_dual=True)
        assert result.dual.shape == (2, 1, 40)
        error = rms(result.u - exact_flow(signal, [0.1, 0.3]), 1)
        assert (error <= result.error_bound).all()
        np.testing.assert_allclose(net.transform(signal[None], [0.1, 0.3])[:, 0], result.u)

    def test_volumes(self):
        volume = np.random.default_rng(0).random((9, 10, 11))
        flow = TVFlowNet.from_pretrained("natural-3d")
        truth = ChambolleTVFlow().transform(volume, 0.1)
        result = flow.solve(volume, 0.1)
        assert rms(result.u[0] - truth) <= result.error_bound[0]
        assert rms(result.u[0] - truth) <= 0.02 * volume.std()

    def test_laws(self, net, image):
        u = net.transform(image, 0.1)
        np.testing.assert_allclose(net.transform(255 * image + 30, 25.5), 255 * u + 30, atol=1e-3)
        np.testing.assert_array_equal(net.transform(-image, 0.1), -u)
        halves = np.repeat([[0.0], [1.0]], 8, axis=0) * np.ones(9)
        for odd in (halves, np.tile([0.0, 1.0, -1.0], (6, 3))):
            np.testing.assert_array_equal(net.transform(-odd, 0.3), -net.transform(odd, 0.3))
        far = TVFlowNet.from_pretrained(spacing=2.0).transform(image, 0.2)
        np.testing.assert_allclose(far, u, atol=1e-5)
        assert u.mean() == pytest.approx(image.mean(), abs=1e-6)
        np.testing.assert_allclose(net.transform(image, 1e5), image.mean(), atol=1e-6)
        np.testing.assert_array_equal(net.transform(image, 0), image)
        constant = np.full((9, 8), 3.7)
        np.testing.assert_array_equal(net.transform(constant, [0.1, 7]), [constant] * 2)

    def test_items_and_channels_are_separate_images(self, net, image):
        stack = np.stack([image[:20, :24], 5 + 100 * image[20:40, 24:48]])
        together = TVFlowNet.from_pretrained(batch_axis=0).transform(stack, [0.1, 0.2])
        for item in range(2):
            alone = net.transform(stack[item], [0.1, 0.2])
            np.testing.assert_allclose(together[:, item], alone, rtol=1e-4, atol=1e-5)
        colours = np.moveaxis(stack, 0, -1)
        flow = TVFlowNet.from_pretrained(channel_axis=-1)
        np.testing.assert_allclose(
            np.moveaxis(flow.transform(colours, 0.1), -1, 0), together[0], rtol=1e-4, atol=1e-5
        )

    def test_stages_come_one_by_one(self, net, image):
        stages = list(net.staged_transform(image, [0.2, 0.05, 0.1]))
        np.testing.assert_array_equal(stages, net.transform(image, [0.05, 0.1, 0.2]))

    def test_progress_is_that_of_the_flow(self, net, image):
        heard = []
        stack = np.stack([image, 10 * image])
        flow = TVFlowNet.from_pretrained(batch_axis=0)
        flow.solve(stack, 5.0, callback=lambda progress: heard.append(progress.fraction) and None)
        assert heard == sorted(heard)
        assert heard[0] < 0.5
        assert heard[-1] == 1

    def test_layers_are_counted_for_every_image(self, image):
        stack = np.stack([image, 10 * image, np.ones_like(image)])
        flow = TVFlowNet.from_pretrained(batch_axis=0, n_steps=10)
        together = flow.solve(stack, 0.2).n_iter
        alone = [TVFlowNet.from_pretrained(n_steps=10).solve(u, 0.2).n_iter for u in stack]
        assert together.tolist() == alone
        assert together[0] > together[1] >= 6

    @pytest.mark.parametrize("seconds", [0.0, 1.0])
    def test_callback_stops(self, net, image, seconds, monkeypatch):
        """Whether or not it hears of a time before that is given away."""
        monkeypatch.setattr(clock, "REPORT_SECONDS", seconds)
        result = net.solve(image, [0.05, 50.0], callback=lambda progress: progress.time >= 0.05)
        assert result.times.tolist() == [0.05]

    def test_by_function(self, net, image):
        np.testing.assert_array_equal(tv_flow(image, 0.1, method="net"), net.transform(image, 0.1))

    def test_by_function_what_it_advises_works(self):
        volume = np.random.default_rng(0).random((6, 7, 8))
        with pytest.raises(ValueError, match="Pass weights='natural-3d'"):
            tv_flow(volume, 0.1, method="net")
        u = tv_flow(volume, 0.1, method="net", weights="natural-3d")
        expected = TVFlowNet.from_pretrained("natural-3d").transform(volume, 0.1)
        np.testing.assert_array_equal(u, expected)
        with pytest.raises(TypeError, match=r"weights must be the name .*Pass 'natural-2d'"):
            tv_flow(volume, 0.1, method="net", weights=None)

    def test_every_estimator_has_a_network_of_its_own(self, image):
        flows = [TVFlowNet.from_pretrained() for _ in range(2)]
        expected = flows[1].transform(image, 0.1)
        with torch.no_grad():
            for parameter in flows[0].net_.parameters():
                parameter *= 3
        np.testing.assert_array_equal(flows[1].transform(image, 0.1), expected)
        by_weights = TVFlowNet(weights="natural-2d").transform(image, 0.1)
        np.testing.assert_array_equal(by_weights, expected)
        assert (flows[0].transform(image, 0.1) != expected).any()

    def test_training_further_leaves_the_weights_of_others_alone(self, image):
        flow = TVFlowNet.from_pretrained(max_epochs=1, random_state=0, patch_size=12)
        before = flow.net_
        expected = flow.transform(image, 0.1)
        flow.set_params(warm_start=True).fit(image)
        assert (flow.transform(image, 0.1) != expected).any()
        flow.net_ = before
        np.testing.assert_array_equal(flow.transform(image, 0.1), expected)

    def test_the_network_can_be_differentiated(self, net):
        """As the docstring says: against differences, in the direction of a wave."""
        rng = np.random.default_rng(0)
        f = torch.from_numpy(rng.standard_normal((1, 1, 12, 12))).float()
        wave = torch.sin(torch.arange(12) / 2.0)[:, None] * torch.ones(12)

        def energy(g):
            *_, last = net.net_(net.net_.start(g / 0.05), 6)
            return (0.05 * last.g).square().sum()

        f.requires_grad_()
        energy(f).backward()
        slope = float((f.grad * wave).sum())
        with torch.no_grad():
            difference = float(energy(f + 1e-3 * wave) - energy(f - 1e-3 * wave)) / 2e-3
        assert slope == pytest.approx(difference, rel=2e-2)

    @pytest.mark.parametrize("value", [1e38, np.inf, np.nan])
    def test_absurd_weights_are_refused(self, image, value):
        flow = TVFlowNet.from_pretrained()
        with torch.no_grad():
            flow.net_.encode.weight[0] = value
        with pytest.raises(ValueError, match=r"encode\.weight of net_ has .*fit again, or load"):
            flow.transform(image, 0.1)

    def test_the_most_steps_are_still_right(self, image):
        """One of the 100,000 steps in a window and a half, in float32."""
        u = image[:9, :8]
        t = 0.8 * u.std() * 1.5e-5
        exact = ChambolleTVFlow(tol=1e-6).transform(u, t)
        result = TVFlowNet.from_pretrained(n_steps=100_000).solve(u, t)
        error = rms(result.u[0] - exact)
        assert error <= result.error_bound[0] + 1e-12
        assert error < 0.5 * rms(exact - u)

    def test_on_a_device(self, net, image, device):
        u = net.transform(torch.from_numpy(image).to(device), 0.1)
        assert u.device.type == device
        np.testing.assert_allclose(u.cpu().numpy(), net.transform(image, 0.1), atol=1e-4)


class TestTraining:
    def test_lowers_the_loss(self, images):
        flow = quick(max_epochs=6, early_stopping=False).fit(images)
        assert flow.n_iter_ == len(flow.loss_curve_) == len(flow.validation_loss_curve_) == 6
        assert min(flow.validation_loss_curve_[1:]) < flow.validation_loss_curve_[0]
        assert flow.n_spatial_dims_ == 2

    def test_is_what_the_seed_says(self, images):
        first, second = quick().fit(images), quick().fit(images)
        other = quick(random_state=1).fit(images)
        assert first.loss_curve_ == second.loss_curve_ != other.loss_curve_
        for a, b in zip(first.net_.parameters(), second.net_.parameters()):
            assert torch.equal(a, b)

    @pytest.mark.parametrize("random_state", [0, None, np.random.RandomState(0)], ids=str)
    def test_leaves_the_random_numbers_of_others_alone(self, images, random_state):
        torch.manual_seed(3)
        np.random.seed(3)  # noqa: NPY002
        state = torch.random.get_rng_state()
        numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
        flow = quick(max_epochs=1, random_state=random_state).fit(images)
        flow.transform(images[0], 0.1)
        TVFlowNet.from_pretrained("natural-3d")
        assert torch.equal(torch.random.get_rng_state(), state)
        np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002

    def test_without_a_seed_every_training_is_another(self, images):
        flows = [quick(max_epochs=1, random_state=None).fit(images) for _ in range(2)]
        assert flows[0].loss_curve_ != flows[1].loss_curve_

    def test_takes_one_thread_of_torch_and_leaves_the_number_as_it_was(self, images):
        before, seen = torch.get_num_threads(), []
        try:
            torch.set_num_threads(2)

            def stop(progress):
                seen.append(torch.get_num_threads())
                return True

            TVFlowNet(random_state=0).fit(images[0], callback=stop)
            assert (seen, torch.get_num_threads()) == ([1], 2)
            with pytest.raises(RuntimeError, match="mine"):
                TVFlowNet(random_state=0).fit(images[0], callback=raise_mine)
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)

    def test_is_the_same_in_every_thread(self, images):
        flows = [quick(max_epochs=1, train_batch_size=1) for _ in range(16)]
        threads = [
            threading.Thread(target=lambda k=k: [flow.fit(images[2:]) for flow in flows[k::4]])
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = quick(max_epochs=1, train_batch_size=1).fit(images[2:])
        for flow in flows:
            assert flow.loss_curve_ == expected.loss_curve_
            for a, b in zip(flow.net_.parameters(), expected.net_.parameters()):
                assert torch.equal(a, b)

    def test_works_where_gradients_are_off(self, images):
        with torch.no_grad():
            flow = quick(max_epochs=1).fit(images)
        assert flow.loss_curve_ == quick(max_epochs=1).fit(images).loss_curve_

    @pytest.mark.parametrize("scale", [1e-200, 255.0, 1e200])
    @pytest.mark.parametrize("offset", [0.0, 1e6])
    def test_neither_scale_nor_offset_count(self, images, scale, offset):
        expected = quick().fit(images).loss_curve_
        moved = [scale * (image + offset) for image in images]
        np.testing.assert_allclose(quick().fit(moved).loss_curve_, expected, rtol=1e-3)

    @pytest.mark.parametrize("n_colours", [3, 4])
    def test_colours_taken_for_slices_are_a_warning(self, images, n_colours):
        coloured = np.stack([images[0]] * n_colours, -1)
        for given, params in (
            (coloured, {}),
            ([images[0], coloured][1:], {}),
            (coloured[None], {"batch_axis": 0}),
        ):
            with pytest.warns(UserWarning, match=r"type channel_axis=-1\. .*moveaxis") as caught:
                quick(max_epochs=0, **params).fit(given)
            assert caught[0].filename == __file__
        quick(max_epochs=0).fit(np.moveaxis(coloured, -1, 0))
        quick(max_epochs=0, channel_axis=-1).fit(coloured)

    def test_takes_arrays_lists_and_datasets(self, images):
        class Pairs(torch.utils.data.Dataset):
            def __len__(self):
                return len(images)

            def __getitem__(self, k):
                return torch.from_numpy(images[k]), k

        by_list, by_dataset = quick().fit(images), quick().fit(Pairs())
        assert by_list.loss_curve_ == by_dataset.loss_curve_
        stack = np.stack([image[:16, :16] for image in images])
        assert quick(batch_axis=0).fit(stack).loss_curve_ == quick().fit([*stack]).loss_curve_
        volume = np.random.default_rng(0).random((8, 9, 10))
        assert quick(max_epochs=1).fit(volume).n_spatial_dims_ == 3
        assert quick(max_epochs=1).fit(images[0].tolist()).n_spatial_dims_ == 2

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 30), (5, 5), (40,), (2, 3, 4)])
    def test_images_smaller_than_a_patch(self, shape):
        image = np.random.default_rng(0).random(shape)
        flow = quick(patch_size=48, max_epochs=1).fit(image)
        assert np.isfinite(flow.transform(image, 0.1)).all()

    def test_a_constant_image_teaches_nothing_but_does_no_harm(self):
        flow = quick(max_epochs=1).fit(np.ones((20, 20)))
        assert all(p.isfinite().all() for p in flow.net_.parameters())

    def test_warm_start_goes_on(self, images):
        flow = quick(warm_start=True).fit(images)
        before = flow.validation_loss_curve_[-1]
        assert flow.fit(images).validation_loss_curve_[0] < 1.5 * before

    def test_from_weights(self, images, tmp_path):
        trained = quick().fit(images)
        trained.save_pretrained(tmp_path / "mine.safetensors")
        loaded = TVFlowNet.from_pretrained(tmp_path / "mine.safetensors")
        expected = trained.transform(images[0], 0.1)
        np.testing.assert_array_equal(loaded.transform(images[0], 0.1), expected)
        np.testing.assert_array_equal(loaded.fit(images).transform(images[0], 0.1), expected)
        assert loaded.n_iter_ == 0
        further = quick(weights=tmp_path / "mine.safetensors").fit(images)
        assert further.n_iter_ == 2
        assert (further.transform(images[0], 0.1) != expected).any()
        assert trained.recipe_["epochs"] == 2
        assert further.recipe_["from"] == loaded.recipe_ == trained.recipe_

    def test_saved_again_nothing_is_lost(self, net, tmp_path):
        for name in ("one", "other"):
            net.save_pretrained(tmp_path / f"{name}.safetensors")
        copied = TVFlowNet.from_pretrained(tmp_path / "one.safetensors")
        assert copied.recipe_ == net.recipe_ == weight_files.load("natural-2d").recipe
        one, other = (path.read_bytes() for path in tmp_path.iterdir())
        assert one == other

    @pytest.mark.parametrize("name", [3, None, b"natural-2d"])
    def test_weights_that_are_no_name(self, name):
        with pytest.raises(TypeError, match=r"weights must be the name .*Pass 'natural-2d'"):
            TVFlowNet.from_pretrained(name)

    def test_callback_that_is_no_function(self, images):
        with pytest.raises(TypeError, match=r"function of the progress, got 3\. Pass call"):
            quick().fit(images, callback=3)

    def test_callback_hears_the_end(self, images):
        heard = []
        quick().fit(images, callback=lambda progress: heard.append(progress.fraction) and None)
        assert heard[0] > 0
        assert heard[-1] == 1

    @pytest.mark.parametrize(
        ("shape", "params", "words"),
        [
            ((9, 9), {"spacing": (1, 2)}, r"spacing=\(1.0, 2.0\) differs between axes"),
            ((5, 5, 5, 5), {}, "has 4 spatial axes, and the network takes up to 3"),
            ((9, 9, 3), {"weights": "natural-2d"}, r"channel_axis=-1 if the last axis has colours"),
        ],
    )
    def test_a_list_is_checked_as_an_array(self, shape, params, words):
        image = np.random.default_rng(0).random(shape)
        for given in (image, [image]):
            with pytest.raises(ValueError, match=words):
                quick(**params).fit(given)

    def test_callback_ends_it(self, images):
        heard = []
        flow = quick(max_epochs=50)
        flow.fit(
            images, callback=lambda progress: heard.append(progress.fraction) or len(heard) > 9
        )
        assert heard == sorted(heard)
        assert len(heard) == 10
        assert hasattr(flow, "net_")

    def test_early_stopping(self, images):
        heard = []
        flow = quick(max_epochs=200, lr=1e-30)
        flow.fit(images, callback=lambda progress: heard.append(progress.fraction) and None)
        assert flow.n_iter_ < 200
        assert heard == sorted(heard)
        assert heard[-1] == 1

    def test_progress_bar(self, images, capsys):
        quick(verbose=1).fit(images)
        assert "training" in capsys.readouterr().out


class TestScikitLearn:
    @pytest.mark.parametrize(
        ("params", "at_least"),
        [
            ({}, 1),
            ({"batch_axis": 0, "max_epochs": 1, "n_steps": 4}, 40),
            ({"batch_axis": 0, "max_epochs": 1, "n_steps": 4, "weights": "natural-2d"}, 40),
        ],
        ids=str,
    )
    @pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
    def test_nothing_fails_and_nothing_is_excused(self, params, at_least):
        results = check_estimator(TVFlowNet(**params), on_fail=None, on_skip=None)
        failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
        assert not failed
        assert not [r for r in results if r["status"] == "xfail"]
        passed = [r for r in results if r["status"] == "passed"]
        print(len(passed), "checks passed")
        assert len(passed) >= at_least

    def test_clone_pickle_and_processes(self, net, image):
        expected = net.transform(image, 0.1)
        for copied in (clone(net), pickle.loads(pickle.dumps(net))):
            np.testing.assert_array_equal(copied.transform(image, 0.1), expected)
        jobs = (joblib.delayed(net.transform)(image, 0.1) for _ in range(2))
        for u in joblib.Parallel(n_jobs=2)(jobs):
            np.testing.assert_allclose(u, expected, atol=1e-5)

    def test_grid_search_over_t_trains_nothing(self, image, monkeypatch):
        monkeypatch.setattr("skimage_tvflow.learned.training.Trainer.run_epoch", None)
        stack = np.stack([image[:16, :16], image[16:32, :16], image[32:48, :16]])

        def score(flow, X, y=None):
            return -rms(flow.transform(X) - X)

        search = GridSearchCV(
            TVFlowNet.from_pretrained(batch_axis=0), {"t": [0.01, 0.2]}, scoring=score, cv=3
        )
        assert search.fit(stack).best_params_ == {"t": 0.01}

    def test_without_fit_and_weights(self, image):
        with pytest.raises(NotFittedError):
            TVFlowNet().transform(image)
        with pytest.raises(NotFittedError):
            TVFlowNet().save_pretrained("never.safetensors")


class TestRefusals:
    @pytest.mark.parametrize(
        ("params", "words"),
        [
            ({"spacing": (1, 2)}, r"spacing=\(1\.0, 2\.0\) differs .*pass spacing=1\.0"),
            ({"coupled_channels": True, "channel_axis": -1}, "channels are separate .*Pass coup"),
            ({"weights": "natural-5d"}, r"no weights named 'natural-5d'; shipped are .*Pass one"),
            ({"weights": "natural-3d"}, r"for 3-D images, got .* Pass weights='natural-2d'"),
        ],
        ids=str,
    )
    def test_what_it_cannot_do(self, image, params, words):
        given = np.stack([image] * 3, -1) if "channel_axis" in params else image
        flow = TVFlowNet(**{"weights": "natural-2d", **params})
        for call in (flow.fit, flow.transform):
            with pytest.raises(ValueError, match=words):
                call(given)

    def test_four_axes(self, net):
        with pytest.raises(
            ValueError, match=r"4 spatial axes, and the network takes up to 3.*Pass"
        ):
            net.transform(np.zeros((3, 3, 3, 3)))

    def test_nothing_to_learn_from(self):
        with pytest.raises(ValueError, match=r"no image to learn from: .*Pass at least one"):
            TVFlowNet().fit([])

    def test_images_and_volumes_together(self):
        with pytest.raises(ValueError, match=r"all have two, or all have three.*Train a network"):
            quick().fit([np.ones((8, 8)), np.ones((8, 8, 8))])

    def test_a_bad_image_is_named(self, images):
        bad = images[1].copy()
        bad[2, 3] = np.nan
        with pytest.raises(
            ValueError, match=r"images\[1\] contains NaN.*\(2, 3\).*nan_to_num\(images\[1\]"
        ):
            quick().fit([images[0], bad])

    @pytest.mark.parametrize(
        ("name", "values"),
        {
            "n_steps": [0, 2.5, True, 100_001, 10**30],
            "refine": [-1, "more", True, 10**30],
            "architecture": ["resnet"],
            "max_epochs": [-1, "many", 1.5],
            "lr": [0, "fast", 1e308],
            "patch_size": [1, "big"],
            "train_batch_size": [0, "big", 10**30],
            "validation_fraction": [0, 1, "half"],
            "early_stopping": ["yes"],
            "random_state": ["luck"],
        }.items(),
        ids=str,
    )
    def test_parameters(self, image, name, values):
        for value in values:
            with pytest.raises(ValueError, match=rf"'{name}' parameter.* type TVFlowNet\({name}="):
                TVFlowNet(**{name: value}).fit(image)


def test_patterns_of_single_pixels_do_not_grow(image):
    rows, columns = np.indices((48, 56))
    checkered = image + 0.1 * ((rows + columns) % 2)
    truth = ChambolleTVFlow().transform(checkered, [0.2, 1.0])
    for n_steps in (16, 64):
        u = TVFlowNet.from_pretrained(n_steps=n_steps).transform(checkered, [0.2, 1.0])
        errors = np.sqrt(np.mean((u - truth) ** 2, axis=(1, 2)))
        assert (errors < 10 ** (-45 / 20)).all()
    board = ((rows + columns) % 2).astype(float)
    u = TVFlowNet.from_pretrained().transform(board, [1.0, 5.0])
    np.testing.assert_allclose(u, 0.5, atol=1e-3)


@pytest.mark.parametrize("lr", [1e5, 1e30])
def test_a_training_that_leaves_the_numbers_is_an_error_at_once(image, lr):
    heard = []
    flow = TVFlowNet(max_epochs=9, lr=lr, random_state=0, early_stopping=False)
    with pytest.raises(ValueError, match=r"left the range of numbers: .*Pass a smaller lr"):
        flow.fit(image, callback=lambda progress: heard.append(progress.fraction) and None)
    assert max(heard, default=0.0) < 0.2
    assert not hasattr(flow, "net_")
