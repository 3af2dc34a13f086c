"""What is measured on one image, for every method."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from skimage_tvflow.estimators.certify import certify
from skimage_tvflow.evaluation.methods import METHODS
from skimage_tvflow.evaluation.protocol import TIMES, Reference, compare

__all__ = ["PAIRS", "Record", "measure"]

# Pairs of the paper's Table 1 beside those of every method and the model-driven flow.
PAIRS = (("paper-2d", "joint"), ("natural-2d", "joint"))

Record = dict[str, Any]


def measure(
    reference: Reference,
    estimators: Mapping[str, Any],
    report: Callable[[float], object],
) -> tuple[Record, dict[str, np.ndarray]]:
    """
    Run all methods on one image.

    Parameters
    ----------
    reference : Reference
        The image and its flow.
    estimators : mapping
        Estimators by name.
    report : callable
        Told the fraction of the methods that are done.

    Returns
    -------
    tuple of two dicts
        The numbers, for a JSON file, and the last frame of every method.
    """
    image, flows, methods = reference.image, {}, {}
    for number, (name, estimator) in enumerate(estimators.items()):
        report(number / len(estimators))
        clocks = time.perf_counter(), time.process_time()
        u = estimator.transform(image, TIMES)
        wall, cpu = time.perf_counter() - clocks[0], time.process_time() - clocks[1]
        flows[name] = np.asarray(u)
        error = np.sqrt(np.mean((flows[name] - reference.flow) ** 2, axis=(1, 2)))
        bound = certify(image, flows[name], None, TIMES).error_bound
        if METHODS[name].has_own_bound:
            # The smaller of the two, so that a fault of either shows.
            bound = np.minimum(bound, estimator.solve(image, TIMES).error_bound)
        methods[name] = {
            **asdict(compare(flows[name], reference.steps)),
            "seconds": wall,
            "cpu_seconds": cpu,
            "error": float(error[-1]),
            "bound": float(bound[-1]),
            # The truth itself is known to flow_error only.
            "violations": int(np.sum(error > bound + reference.flow_error)),
        }
    pairs = {
        f"{one} and {other}": asdict(compare(flows[one], flows[other]))
        for one, other in PAIRS
        if one in flows and other in flows
    }
    last = {name: u[-1] for name, u in flows.items()}
    return {"methods": methods, "pairs": pairs}, last
