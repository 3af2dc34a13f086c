"""The flow of a signal in closed form: the truth that several test files compare with."""

import numpy as np
from hypothesis import strategies as st


def exact_flow(signal, times, h=1.0):
    """The flow of a signal, from one merging of regions to the next.

    A region of n pixels with s neighbours above it less those below it moves at s / (n h), so a
    local extremum at 2 / (n h), one at an end at 1 / (n h), and a step of a monotone run not at
    all. When two neighbours meet they are one region from then on.
    """
    values, counts = np.asarray(signal, float), np.ones(len(signal))
    now, frames = 0.0, []
    for time in times:
        while True:
            same = np.flatnonzero(np.diff(values) == 0)
            if same.size:
                values, counts = merged(values, counts, same[0])
                continue
            side = np.sign(np.diff(values))
            speeds = (np.append(side, 0) - np.append(0, side)) / (counts * h)
            closing = -np.diff(speeds) * side
            gaps = np.abs(np.diff(values))
            waits = np.full(len(gaps), np.inf)
            np.divide(gaps, closing, out=waits, where=closing > 0)
            if not waits.size or now + waits.min() > time:
                break
            now += waits.min()
            values = values + waits.min() * speeds
            values, counts = merged(values, counts, waits.argmin())
        values, now = values + (time - now) * speeds, time
        frames.append(np.repeat(values, counts.astype(int)))
    return np.array(frames)


def merged(values, counts, k):
    """Join the regions k and k + 1."""
    total = counts[k] + counts[k + 1]
    value = (counts[k] * values[k] + counts[k + 1] * values[k + 1]) / total
    return (
        np.concatenate([values[:k], [value], values[k + 2 :]]),
        np.concatenate([counts[:k], [total], counts[k + 2 :]]),
    )


def extinction(signal, h=1.0):
    """When the mean is reached: the cumulated signal, which the flux must undo, is at most t."""
    return h * np.abs(np.cumsum(signal - np.mean(signal))).max()


@st.composite
def signals(draw):
    """Random signals, and signals with plateaus and ties."""
    n = draw(st.integers(2, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        return rng.standard_normal(n)
    levels = rng.integers(-3, 4, size=n).astype(float)
    signal = np.repeat(levels, rng.integers(1, 5, size=n))[: max(n, 2)]
    signal[0] += 5 * (signal.std() == 0)
    return signal
