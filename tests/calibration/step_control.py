"""Find the work model and the error estimates of the implicit Euler steps again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
from images import Halves, images
from tuning import Merit, Report, command_line, reference, rms

from skimage_tvflow import ChambolleTVFlow
from skimage_tvflow.core import step_control

STEPS, LENGTHS = (2, 8, 32), (0.01, 0.03, 0.1, 0.3)
ITERATIONS = (2, 4, 8, 16, 32, 64, 128, 256)
TIMES, SHORT = (0.1, 0.4, 1.6, 6.4), (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4)


def euler(image: np.ndarray, t: float, n_steps: int, n_iter: int, order: int = 1) -> np.ndarray:
    """The flow of a stack by exactly that many steps and iterations."""
    flow = ChambolleTVFlow(
        n_steps=n_steps, order=order, tol=None, max_num_iter=n_iter, batch_axis=0
    )
    return flow.transform(image, t)


def least_work(work: tuple[int, ...], errors: np.ndarray) -> Iterator[tuple[float, int, float]]:
    """The tolerance, the image, and the work that meets it; errors have shape (work, images).

    Between two of the tried amounts the logarithms are interpolated.
    """
    for i, column in enumerate(errors.T):
        falling = np.minimum.accumulate(column)[::-1]
        for tol in TOLERANCES:
            if falling[0] < tol < falling[-1]:
                log_work = np.interp(np.log(tol), np.log(falling), np.log(work)[::-1])
                yield tol, i, float(np.exp(log_work))


def needed_iterations(half: np.ndarray) -> np.ndarray:
    """Lines of step length, tolerance, iterations needed in each step."""
    lines = []
    for length in LENGTHS:
        for n_steps in STEPS:
            truth = euler(half, length * n_steps, n_steps, 1000)
            tried = [euler(half, length * n_steps, n_steps, k) for k in ITERATIONS]
            errors = np.array([rms(u - truth) for u in tried])
            lines += [(length, tol, k) for tol, _, k in least_work(ITERATIONS, errors)]
    return np.array(lines)


def pair(half: np.ndarray, t: float, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The flow by N and by 2N steps of a single iteration."""
    return euler(half, t, n_steps, 1), euler(half, t, 2 * n_steps, 1)


def needed_steps(half: np.ndarray) -> np.ndarray:
    """Lines of time, tolerance, steps of the first trajectory with which a pair agrees to it."""
    lines = []
    for t in TIMES:
        pairs = [pair(half, t, n) for n in SHORT]
        errors = np.array([step_control.PAIR * rms(fine - coarse) for coarse, fine in pairs])
        lines += [(t, tol, n) for tol, _, n in least_work(SHORT, errors)]
    return np.array(lines)


def power_law(x: np.ndarray, tol: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Factor and powers of ``y = factor * x**power * (1e-3 / tol)**tol_power``."""
    columns = np.stack([np.ones(len(x)), np.log(x), np.log(1e-3 / tol)], 1)
    solution = np.linalg.lstsq(columns, np.log(y), rcond=None)[0]
    return float(np.exp(solution[0])), float(solution[1]), float(solution[2])


def plan_merit(
    needed: Callable[[np.ndarray], np.ndarray],
    plan: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray], Merit]:
    """The factor between planned and needed work, and how often the plan is too little."""

    def merit(half: np.ndarray) -> Merit:
        x, tol, work = needed(half).T
        off = np.log(plan(x, tol) / work)
        return Merit(float(np.exp(np.abs(off).mean())), f"({np.mean(off < 0):.0%} too few)")

    return merit


def work_model(report: Report, halves: Halves) -> None:
    """The two formulas of the work."""
    tables = {half.tobytes(): needed_iterations(half) for half in (halves.fit, halves.judge)}
    length, tol, k = tables[halves.fit.tobytes()].T
    fewest = step_control._FEWEST_ITERATIONS
    factor, power, tol_power = power_law(length, tol, np.maximum(k - fewest, 0.5))
    merit = plan_merit(
        lambda half: tables[half.tobytes()],
        lambda s, tol: step_control.iterations_for(s, tol, "accelerated"),
    )
    report.compare(
        step_control,
        {"_ITERATIONS": factor, "_STEP_POWER": power, "_TOL_POWER": tol_power},
        merit,
        halves,
    )
    report.search(step_control, "_FEWEST_ITERATIONS", [0, 1, 4, 8], merit, halves)

    steps = {half.tobytes(): needed_steps(half) for half in (halves.fit, halves.judge)}
    t, tol, n = steps[halves.fit.tobytes()].T
    factor, power, tol_power = power_law(t, tol, n)
    merit = plan_merit(
        lambda half: steps[half.tobytes()],
        lambda t, tol: np.array([step_control.steps_for(*line) for line in zip(t, tol)]),
    )
    report.compare(
        step_control,
        {"_STEPS": factor, "_STEPS_TIME_POWER": power, "_STEPS_TOL_POWER": tol_power},
        merit,
        halves,
    )


def pair_ratios(half: np.ndarray) -> np.ndarray:
    """error(u_2N + AHEAD (u_2N - u_N)) / |u_2N - u_N| from a quarter to four times the plan."""
    ratios = []
    for t, exact in zip(TIMES, reference(half, TIMES), strict=True):
        for share in (0.25, 1, 4):
            n = max(int(share * step_control.steps_for(np.array(t), 1e-3)), 8)
            coarse, fine = pair(half, t, n)
            answer = fine + step_control.AHEAD * (fine - coarse)
            ratios.append(rms(answer - exact) / rms(fine - coarse))
    return np.concatenate(ratios)


def worst_pair(half: np.ndarray) -> Merit:
    """The error of the answer over the difference of the pair: where nine of ten are below."""
    ratios = pair_ratios(half)
    return Merit(float(np.quantile(ratios, 0.9)), f"({np.median(ratios):.2g} {ratios.max():.2g})")


def extrapolation_ratios(half: np.ndarray) -> np.ndarray:
    """error(2 u_2N - u_N) / |u_2N - u_N| of steps that are solved well."""
    ratios = []
    for t, exact in zip(TIMES, reference(half, TIMES), strict=True):
        coarse, fine = euler(half, t, 24, 24), euler(half, t, 48, 24)
        ratios.append(rms(2 * fine - coarse - exact) / rms(fine - coarse))
    return np.concatenate(ratios)


def solve_ratios(half: np.ndarray, **estimate: float) -> np.ndarray:
    """True error of solves over the estimate, with one of its two parts switched off."""
    ratios = []
    for n_steps in STEPS:
        for t in TIMES[:3]:
            truth = euler(half, t, n_steps, 1500)
            flow = ChambolleTVFlow(n_steps=n_steps, order=1, tol=3e-3, batch_axis=0)
            with mock.patch.multiple(step_control, **estimate):
                result = flow.solve(half, [t], certify=False)
            moved = result.error_estimate[0] > 1e-9
            ratios.append((rms(result.u[0] - truth) / result.error_estimate[0])[moved])
    return np.maximum(np.concatenate(ratios), 1e-9)


def main() -> None:
    """Print the tables."""
    options = command_line(__doc__)
    halves = images(options.folder, options.quick)
    report = Report("The work model: k iterations in a step, N steps")
    work_model(report, halves)
    report.show("factor between planned and needed work")
    report = Report("Extrapolation of a pair")
    report.search(step_control, "AHEAD", [0.0, 0.2, 0.3, 0.6, 1.0], worst_pair, halves)
    report.show("error of the answer over the difference, nine of ten are below (median, largest)")
    report = Report("The error estimates")
    report.measure(step_control, "PAIR", pair_ratios, halves, quantile=0.95)
    report.measure(step_control, "EXTRAPOLATED", extrapolation_ratios, halves)
    report.measure(
        step_control,
        "TWICE_ITERATED",
        lambda half: solve_ratios(half, GAP=0.0) * step_control.TWICE_ITERATED,
        halves,
    )
    report.measure(
        step_control,
        "GAP",
        lambda half: solve_ratios(half, TWICE_ITERATED=1e-9) * step_control.GAP,
        halves,
    )
    report.show("factor between estimate and truth (truth / estimate at 10, 50, 90 % of the cases)")


if __name__ == "__main__":
    main()
