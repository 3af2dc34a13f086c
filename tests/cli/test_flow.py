from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile

import skimage_tvflow

TIGHT = ("--tol", 1e-6)


def test_stack_of_times_is_the_known_flow(tvflow, step_tif, tmp_path):
    output = tmp_path / "flow.tif"
    outcome = tvflow("flow", step_tif, "-t", 0.8, "-t", 0.4, "-t", 0.4, *TIGHT, "-o", output)
    assert outcome.status == 0, outcome.err
    u = tifffile.imread(output)
    assert u.shape == (2, 6, 8)  # sorted, and each time once
    assert u.dtype == np.float32
    np.testing.assert_allclose(
        u[:, :, :4], np.broadcast_to([[[0.1]], [[0.2]]], (2, 6, 4)), atol=1e-5
    )
    np.testing.assert_allclose(
        u[:, :, 4:], np.broadcast_to([[[0.9]], [[0.8]]], (2, 6, 4)), atol=1e-5
    )


def test_table_names_time_and_total_variation(tvflow, step_tif, tmp_path):
    outcome = tvflow("flow", step_tif, "-t", 0.4, "-t", 0.8, *TIGHT, "-o", tmp_path / "flow.tif")
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in outcome.out.splitlines()
        if line.startswith("│")
    ]
    # six rows of the image, each with one jump of height 1 - t / 2
    assert [(float(t), float(tv)) for t, tv, _ in rows] == [
        (0.4, pytest.approx(4.8, abs=1e-3)),
        (0.8, pytest.approx(3.6, abs=1e-3)),
    ]
    assert all(float(seconds) >= 0 for _, _, seconds in rows)
    assert outcome.err == ""


def test_json_is_all_there_is_on_standard_output(tvflow, step_tif, tmp_path):
    output = tmp_path / "flow.tif"
    outcome = tvflow("flow", step_tif, "-t", 0.4, "-t", 2.5, *TIGHT, "-o", output, "--json")
    (record,) = outcome.json["files"]
    assert (record["input"], record["output"]) == (str(step_tif), str(output))
    assert record["times"] == [0.4, 2.5]
    assert record["total_variation"] == pytest.approx([4.8, 0], abs=1e-3)
    assert len(record["error_estimate"]) == 2
    assert max(record["error_estimate"]) <= 1e-6 * 0.5
    assert record["converged"] is True
    assert record["seconds"] >= record["seconds_at_times"][0] >= 0


def test_default_times_go_up_to_extinction(tvflow, step_tif, tmp_path):
    output = tmp_path / "flow.tif"
    outcome = tvflow("flow", step_tif, "-o", output, "--json")
    (record,) = outcome.json["files"]
    assert record["times"] == pytest.approx(
        skimage_tvflow.geometric_times(tifffile.imread(step_tif), 12), rel=1e-6
    )
    assert record["times"][-1] == pytest.approx(2, rel=0.02)
    assert tifffile.imread(output).shape == (12, 6, 8)


def test_single_time_has_no_axis_of_times(tvflow, step_tif, tmp_path):
    output = tmp_path / "flow.tif"
    tvflow("flow", step_tif, "-t", 0.4, *TIGHT, "-o", output)
    u = tifffile.imread(output)
    assert u.shape == (6, 8)
    np.testing.assert_allclose(u[:, 0], 0.1, atol=1e-5)


def test_arrays_of_numpy_are_images_too(tvflow, tmp_path):
    step = np.repeat([0.0, 1.0], 4)
    np.save(tmp_path / "step.npy", step)
    output = tmp_path / "flow.tif"
    assert tvflow("flow", tmp_path / "step.npy", "-t", 0.4, *TIGHT, "-o", output).status == 0
    np.testing.assert_allclose(tifffile.imread(output), [[0.1] * 4 + [0.9] * 4], atol=1e-5)
    options = ("-t", 0, "-t", 0.4, *TIGHT, "--force", "-o", output)
    assert tvflow("flow", tmp_path / "step.npy", *options).status == 0
    np.testing.assert_allclose(tifffile.imread(output)[:, 0], [0, 0.1], atol=1e-5)
    np.save(tmp_path / "names.npy", np.array(["a", "b"]))
    outcome = tvflow("flow", tmp_path / "names.npy", "-t", 0.4, "-o", tmp_path / "out.tif")
    assert (
        "names.npy: image holds values of type <U1, and the flow needs real numbers" in outcome.err
    )


def test_options_reach_the_library(tvflow, tmp_path):
    volume = np.random.default_rng(0).random((3, 5, 6)).astype(np.float32)
    source, output = tmp_path / "volume.tif", tmp_path / "flow.tif"
    tifffile.imwrite(source, volume, photometric="minisblack", metadata={"axes": "ZYX"})
    outcome = tvflow(
        "flow", source, "-t", 0.2, "--n-steps", 3, "--order", 1, "--tol", 1e-3, "--spacing",
        "2,1,0.5", "--max-num-iter", 500, "--device", "cpu", "-o", output,
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    expected = skimage_tvflow.ChambolleTVFlow(
        n_steps=3, order=1, tol=1e-3, spacing=(2, 1, 0.5), max_num_iter=500
    ).transform(volume, 0.2)
    np.testing.assert_allclose(tifffile.imread(output), expected, atol=1e-6)
    other = skimage_tvflow.ChambolleTVFlow(n_steps=3, order=1, tol=1e-3).transform(volume, 0.2)
    assert np.abs(other - expected).max() > 1e-2


def test_batch_axis_keeps_images_apart(tvflow, step, tmp_path):
    source, output = tmp_path / "stack.tif", tmp_path / "flow.tif"
    tifffile.imwrite(source, np.stack([step, 3 * step]), metadata={"axes": "IYX"})
    options = ("--batch-axis", 0, "-t", 0.4, *TIGHT, "-o", output)
    outcome = tvflow("flow", source, *options, "--json")
    (record,) = outcome.json["files"]
    assert record["total_variation"][0] == pytest.approx([4.8, 6 * 2.8], abs=1e-3)
    np.testing.assert_allclose(tifffile.imread(output)[:, 0, -1], [0.9, 2.9], atol=1e-5)
    assert "mean of 2" in tvflow("flow", source, *options, "--force").out


def test_channels_of_a_colour_file_are_used_and_named(tvflow, colour_png, tmp_path):
    output = tmp_path / "flow.tif"
    outcome = tvflow("flow", colour_png, "-t", 40, *TIGHT, "-o", output)
    assert outcome.err.startswith(
        f"note: {colour_png}: axis 2 holds 3 channels; --channel-axis overrides"
    )
    u = tifffile.imread(output)
    assert u.shape == (6, 8, 3)
    np.testing.assert_allclose(u[0, 0], [10, 10, 0], atol=1e-2)
    np.testing.assert_allclose(u[0, -1], [190, 90, 0], atol=1e-2)


def test_coupled_channels_share_their_edges(tvflow, colour_png, tmp_path):
    output = tmp_path / "flow.tif"
    tvflow("flow", colour_png, "--coupled-channels", "-t", 40, *TIGHT, "-o", output)
    u = tifffile.imread(output)
    # the jump (200, 100, 0) shrinks along its own direction, at 2 / 4 in all
    jump = np.array([200, 100, 0]) * (1 - 40 / 2 / np.hypot(200, 100))
    np.testing.assert_allclose(u[0, -1] - u[0, 0], jump, atol=2e-2)


def test_channel_axis_overrides_the_format(tvflow, colour_png, tmp_path):
    output = tmp_path / "flow.tif"
    outcome = tvflow("flow", colour_png, "--channel-axis", "none", "-t", 1, "-o", output, "--json")
    assert outcome.json["files"][0]["channel_axis"] is None
    assert "note" not in outcome.err
    outcome = tvflow(
        "flow", colour_png, "--channel-axis", -1, "-t", 1, "-o", output, "--json", "--force"
    )
    assert outcome.json["files"][0]["channel_axis"] == -1


SHORT = re.compile(
    r"warning: (?P<file>.+): t = (?P<t>\S+) is under 1 % of the extinction time, about "
    r"(?P<extinction>[\d.]+), so only noise and the finest structures vanish. "
    r"Try -t (?P<better>[\d.]+) for larger ones(, or --unit-range for (?P<integers>\w+) values)?\n"
)


def test_short_times_are_warned_about_with_a_better_one(tvflow, step_png, tmp_path):
    outcome = tvflow("flow", step_png, "-t", 1, "-o", tmp_path / "a.tif")
    assert outcome.status == 0
    warning = SHORT.fullmatch(outcome.err)
    assert (warning["file"], warning["t"], warning["integers"]) == (str(step_png), "1", "uint8")
    assert 0.7 * 400 < float(warning["extinction"]) < 1.1 * 400
    better = warning["better"]
    assert 0.05 * 400 < float(better) < 0.2 * 400
    assert tvflow("flow", step_png, "-t", better, "-o", tmp_path / "b.tif").err == ""
    # the largest of several counts, and the image itself is nothing to be warned of
    assert tvflow("flow", step_png, "-t", 1, "-t", better, "-o", tmp_path / "c.tif").err == ""
    assert tvflow("flow", step_png, "-t", 0, "-o", tmp_path / "d.tif").err == ""


def test_numbers_of_the_warning_are_plain(tvflow, step, tmp_path):
    source = tmp_path / "deep.tif"
    tifffile.imwrite(source, (60000 * step).astype(np.uint16))
    warning = SHORT.fullmatch(tvflow("flow", source, "-t", 5, "-o", tmp_path / "a.tif").err)
    assert warning["extinction"].endswith("0000")
    assert 0.7 * 120000 < float(warning["extinction"]) < 1.1 * 120000
    assert warning["better"].endswith("000")
    options = ("--unit-range", "-t", 0.005, "-o", tmp_path / "b.tif")
    warning = SHORT.fullmatch(tvflow("flow", source, *options).err)
    assert warning["t"] == "0.005"
    assert warning["integers"] is None


def test_the_warning_of_short_times_is_true(tvflow, tmp_path):
    """Noise is gone before a hundredth of the extinction time, and what is large is still there."""
    image = np.zeros((128, 128))
    image[:, 64:] = 1
    noise = 0.05 * np.random.default_rng(0).standard_normal(image.shape)
    tifffile.imwrite(tmp_path / "noisy.tif", (image + noise).astype(np.float32))
    output = tmp_path / "flow.tif"
    outcome = tvflow("flow", tmp_path / "noisy.tif", "-t", 0.2, "-o", output)
    assert SHORT.fullmatch(outcome.err)
    left, right = np.split(tifffile.imread(output), 2, axis=1)
    assert max(left.std(), right.std()) < 0.1 * 0.05
    assert right.mean() - left.mean() > 0.95
    assert tvflow("flow", tmp_path / "noisy.tif", "-t", 0.4, "--force", "-o", output).err == ""


@pytest.mark.parametrize("unit_range", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tol", "computed"),
    [
        ("uint8", 1e-3, "float32"),
        ("uint8", 1e-5, "float32"),
        ("uint8", 9e-6, "float64"),
        ("int16", 1e-3, "float32"),
        ("uint16", 1e-3, "float32"),
        ("uint32", 1e-3, "float64"),
        ("float32", 1e-6, "float32"),
        ("float64", 1e-3, "float64"),
    ],
)
def test_integers_that_float32_holds_are_computed_in_it(
    tvflow, step, tmp_path, dtype, tol, computed, unit_range
):
    array = (100 * step).astype(dtype)
    tifffile.imwrite(tmp_path / "step.tif", array)
    output = tmp_path / "flow.tif"
    largest = np.iinfo(dtype).max if unit_range and "int" in dtype else 1
    t = 40 / largest
    options = ["-t", 0, "-t", t, "--tol", tol, "-o", output, "--json"]
    options += ["--unit-range"] * unit_range
    outcome = tvflow("flow", tmp_path / "step.tif", *options)
    assert outcome.json["files"][0]["dtype"] == computed
    u = tifffile.imread(output) * largest
    np.testing.assert_allclose(u[0], array, rtol=1e-6)  # the file of the results is float32
    np.testing.assert_allclose(u[1, 0, [0, -1]], [10, 90], atol=50 * max(tol, 1e-6))


def test_unit_range_divides_by_the_maximum_of_the_type(tvflow, step_png, tmp_path):
    output = tmp_path / "flow.tif"
    outcome = tvflow("flow", step_png, "--unit-range", "-t", 0.4, *TIGHT, "-o", output)
    assert outcome.err == ""
    np.testing.assert_allclose(tifffile.imread(output)[:, -1], 200 / 255 - 0.1, atol=1e-5)


def test_unit_range_leaves_floating_point_values_and_says_so(tvflow, step_tif, tmp_path):
    output = tmp_path / "flow.tif"
    outcome = tvflow("flow", step_tif, "--unit-range", "-t", 0, "-o", output)
    assert "leaves float32 values as they are" in outcome.err
    np.testing.assert_array_equal(tifffile.imread(output), tifffile.imread(step_tif))


def test_too_few_iterations_are_one_line_of_warning(tvflow, step_tif, tmp_path):
    outcome = tvflow(
        "flow", step_tif, "-t", 1, "--n-steps", 2, "--order", 1, "--tol", 1e-9, "--max-num-iter", 2,
        "-o", tmp_path / "flow.tif", "--json",
    )  # fmt: skip
    assert outcome.status == 0
    assert outcome.err.startswith(f"warning: {step_tif}: ")
    assert outcome.err.count("\n") == 1
    assert "tol=1e-09" in outcome.err
    assert "a larger tol or max_num_iter (now 2)" in outcome.err
    assert outcome.json["files"][0]["converged"] is False
