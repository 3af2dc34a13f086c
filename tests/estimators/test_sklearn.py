"""scikit-learn: its own checks with nothing excused, and the tools its users reach for."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from skimage_tvflow import ChambolleTVFlow


@pytest.fixture(scope="module")
def signals():
    """Draw noisy steps, one in each row: a table, as scikit-learn sees it."""
    rng = np.random.default_rng(0)
    clean = np.repeat(rng.integers(0, 3, size=(12, 4)), 8, axis=1).astype(float)
    return clean, clean + 0.2 * rng.standard_normal(clean.shape)


@pytest.fixture
def rows():
    return ChambolleTVFlow(batch_axis=0)


class TestEstimatorChecks:
    @pytest.mark.parametrize(
        ("params", "at_least"), [({}, 1), ({"batch_axis": 0}, 40)], ids=["default", "batch_axis=0"]
    )
    # scikit-learn has few checks for images: it says so of an estimator that takes no tables.
    @pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
    def test_nothing_fails_and_nothing_is_excused(self, params, at_least):
        results = check_estimator(ChambolleTVFlow(**params), on_fail=None, on_skip=None)
        by_status = {}
        for result in results:
            by_status.setdefault(result["status"], []).append(result)
        print({status: len(found) for status, found in by_status.items()})
        assert not [(r["check_name"], r["exception"]) for r in by_status.get("failed", [])]
        assert not by_status.get("xfail")
        assert set(by_status) <= {"passed", "skipped"}
        assert len(by_status["passed"]) >= at_least
        # This one needs SCIPY_ARRAY_API to be set before SciPy is imported.
        skipped = {r["check_name"] for r in by_status.get("skipped", [])}
        assert skipped <= {"check_array_api_input"}

    def test_tags(self, estimator, rows):
        assert not get_tags(estimator).requires_fit
        assert get_tags(estimator).input_tags.three_d_array
        assert not get_tags(estimator).input_tags.two_d_array
        assert get_tags(rows).input_tags.two_d_array
        assert get_tags(rows).transformer_tags.preserves_dtype == ["float64", "float32"]

    def test_it_works_without_fit(self, estimator, image):
        check_is_fitted(estimator)
        assert estimator.transform(image).shape == image.shape

    def test_tables_have_the_length_they_were_fitted_to(self, rows, signals):
        rows.fit(signals[1])
        assert rows.n_features_in_ == 32
        with pytest.raises(
            ValueError, match=r"X has 31 features, but .* is expecting 32.*Fit again"
        ):
            rows.transform(signals[1][:, :31])
        rows.fit(np.zeros((3, 4, 5)))
        assert not hasattr(rows, "n_features_in_")
        assert rows.transform(signals[1][:, :31]).shape == (12, 31)

    def test_images_of_any_size_after_fit(self, estimator, image):
        estimator.fit(image)
        assert not hasattr(estimator, "n_features_in_")
        assert estimator.transform(image[:20]).shape == (20, image.shape[1])


PARAMS = {
    "t": [0.3, 0.1],
    "n_steps": 7,
    "order": 1,
    "tol": 1e-2,
    "algorithm": "projection",
    "max_num_iter": 99,
    "coupled_channels": True,
    "spacing": (1, 2),
    "channel_axis": -1,
    "batch_axis": 0,
    "batch_size": 2,
    "device": "cpu",
}


class TestParameters:
    def test_are_stored_untouched(self):
        flow = ChambolleTVFlow(**PARAMS)
        for name, value in flow.get_params().items():
            assert value is PARAMS[name]
        assert flow.get_params().keys() == PARAMS.keys()

    def test_are_not_checked_before_they_are_used(self):
        assert ChambolleTVFlow(t="later", order=7).order == 7

    def test_clone(self):
        flow = ChambolleTVFlow(**PARAMS)
        other = clone(flow)
        assert other is not flow
        assert other.get_params() == PARAMS

    def test_set_params(self, estimator):
        assert estimator.set_params(t=0.5, order=1) is estimator
        assert (estimator.t, estimator.order) == (0.5, 1)
        with pytest.raises(ValueError, match="Invalid parameter 'iterations'"):
            estimator.set_params(iterations=3)

    def test_repr_shows_what_was_changed(self):
        assert repr(ChambolleTVFlow(t=0.5)) == "ChambolleTVFlow(t=0.5)"

    def test_pickle(self, rows, signals):
        rows.fit(signals[1])
        other = pickle.loads(pickle.dumps(rows))
        assert other.get_params() == rows.get_params()
        assert other.n_features_in_ == 32
        expected = rows.transform(signals[1])
        np.testing.assert_array_equal(other.transform(signals[1]), expected)

    def test_transform_keeps_no_state(self, estimator, image):
        before = dict(vars(estimator))
        estimator.transform(image, 0.2)
        estimator.solve(image, 0.1)
        assert vars(estimator) == before


class TestJoblib:
    def test_across_processes(self, image):
        flow = ChambolleTVFlow()
        jobs = [joblib.delayed(flow.transform)(image, t) for t in (0.05, 0.1, 0.2)]
        frames = joblib.Parallel(n_jobs=2, backend="loky")(jobs)
        for frame, t in zip(frames, (0.05, 0.1, 0.2)):
            np.testing.assert_array_equal(frame, flow.transform(image, t))

    def test_across_threads(self, image):
        flow = ChambolleTVFlow()
        jobs = [joblib.delayed(flow.transform)(image, 0.1) for _ in range(6)]
        for frame in joblib.Parallel(n_jobs=4, backend="threading")(jobs):
            np.testing.assert_array_equal(frame, flow.transform(image, 0.1))


class TestPipeline:
    def test_between_other_steps(self, image):
        pipeline = make_pipeline(
            FunctionTransformer(lambda x: x * 255),
            ChambolleTVFlow(t=25.5),
            FunctionTransformer(lambda x: x / 255),
        )
        expected = ChambolleTVFlow(t=0.1).transform(image)
        np.testing.assert_allclose(pipeline.fit_transform(image), expected, atol=1e-6)
        np.testing.assert_allclose(pipeline.transform(image), expected, atol=1e-6)

    def test_routed_t(self, image):
        with sklearn.config_context(enable_metadata_routing=True):
            flow = ChambolleTVFlow(t=0.1).set_transform_request(t=True)
            pipeline = Pipeline([("same", FunctionTransformer()), ("flow", flow)])
            expected = ChambolleTVFlow().transform(image, [0.05, 0.2])
            u = pipeline.fit(image).transform(image, t=[0.05, 0.2])
            np.testing.assert_array_equal(u, expected)
            u = pipeline.fit_transform(image, t=[0.05, 0.2])
            np.testing.assert_array_equal(u, expected)
            expected = ChambolleTVFlow(t=0.1).transform(image)
            np.testing.assert_array_equal(pipeline.transform(image), expected)

    def test_t_that_was_not_requested_is_refused(self, image):
        with sklearn.config_context(enable_metadata_routing=True):
            pipeline = make_pipeline(ChambolleTVFlow()).fit(image)
            with pytest.raises(Exception, match=r"\[t\] are passed but are not explicitly set"):
                pipeline.transform(image, t=0.2)

    def test_pipeline_of_two_flows_is_the_semigroup(self, image):
        twice = make_pipeline(ChambolleTVFlow(t=0.1), ChambolleTVFlow(t=0.2)).fit_transform(image)
        once = ChambolleTVFlow(t=0.3).transform(image)
        assert np.sqrt(np.mean((twice - once) ** 2)) <= 3e-3 * image.std()

    def test_set_output_leaves_arrays_alone(self, rows, signals):
        with sklearn.config_context(transform_output="pandas"):
            assert isinstance(rows.fit_transform(signals[1]), np.ndarray)


class Denoiser(BaseEstimator):
    """Predicts the clean signals: a regressor around the flow, as a user would write it."""

    def __init__(self, t=0.1):
        self.t = t

    def fit(self, x, y):
        self.flow_ = ChambolleTVFlow(t=self.t, batch_axis=0).fit(x)
        return self

    def predict(self, x):
        return self.flow_.transform(x)


def likeness(flow, noisy, clean):
    return -np.mean((flow.transform(noisy) - clean) ** 2)


class TestGridSearch:
    TIMES = (0.0, 0.2, 0.8, 20.0)

    def test_over_t_finds_the_best(self, signals, rows):
        clean, noisy = signals
        search = GridSearchCV(rows, {"t": self.TIMES}, scoring=likeness, cv=KFold(3))
        search.fit(noisy, clean)
        errors = [np.mean((rows.transform(noisy, t) - clean) ** 2) for t in self.TIMES]
        assert search.best_params_ == {"t": self.TIMES[np.argmin(errors)]}
        assert search.best_params_["t"] in (0.2, 0.8)
        np.testing.assert_allclose(-search.cv_results_["mean_test_score"], errors, rtol=1e-6)
        assert search.transform(noisy).shape == noisy.shape

    def test_inside_a_pipeline_and_inside_another_estimator(self, signals, rows):
        clean, noisy = signals
        pipeline = Pipeline([("flow", rows), ("same", FunctionTransformer())])
        search = GridSearchCV(pipeline, {"flow__t": self.TIMES}, scoring=likeness, cv=KFold(3))
        best = search.fit(noisy, clean).best_params_["flow__t"]
        scoring = "neg_mean_squared_error"
        other = GridSearchCV(Denoiser(), {"t": self.TIMES}, scoring=scoring, cv=KFold(3))
        assert other.fit(noisy, clean).best_params_ == {"t": best}

    def test_wrong_parameters_are_errors(self, signals, rows):
        search = GridSearchCV(
            rows, {"t": [-1.0]}, scoring=likeness, cv=KFold(2), error_score="raise"
        )
        with pytest.raises(ValueError, match="t must be >= 0"):
            search.fit(signals[1], signals[0])
