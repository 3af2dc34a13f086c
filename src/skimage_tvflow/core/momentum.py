"""Coefficients of the accelerated dual iteration, by the number of iterations in a time step."""

from __future__ import annotations

from dataclasses import dataclass

# By the number of iterations: beta, gamma and step times the bound of each. Found by ascent
# of the PSNR of steps of photographs, from 4 on also of cartoons, discs and noise, with all
# eigenvalues of the linear iteration below one.
_LEARNED: dict[int, tuple[tuple[float, float, float], ...]] = {
    1: ((0.5151, 0.013, 1.9936),),
    2: (
        (0.7564, 0.2806, 2.016),
        (0.7323, 0.3058, 2.2376),
    ),
    3: (
        (0.8051, 0.2537, 2.3888),
        (0.8419, 0.3032, 1.6248),
        (0.795, 0.3906, 2.8352),
    ),
    4: (
        (0.8686, 0.2417, 2.8096),
        (0.8454, 0.3359, 1.6192),
        (0.7441, 0.3434, 2.744),
        (0.8192, 0.2272, 2.6688),
    ),
    6: (
        (1.155, 0.063, 2.8224),
        (0.9091, 0.1237, 2.828),
        (0.7333, 0.1207, 2.7184),
        (0.6994, 0.1133, 2.7392),
        (0.7717, 0.0297, 3.004),
        (0.8781, 0.1309, 3.7256),
    ),
    8: (
        (1.1192, 0.0382, 2.9432),
        (0.9882, 0.1012, 3.12),
        (0.8444, 0.1042, 2.88),
        (0.7568, 0.106, 2.8696),
        (0.7554, 0.0968, 2.9344),
        (0.7854, 0.043, 3.116),
        (0.839, 0.0565, 3.1208),
        (0.9209, 0.1359, 3.8648),
    ),
    10: (
        (1.0394, 0.0075, 3.0008),
        (0.983, 0.0736, 3.2368),
        (0.8928, 0.0789, 3.1056),
        (0.8247, 0.0844, 3.0856),
        (0.794, 0.0812, 2.964),
        (0.7872, 0.0991, 3.0744),
        (0.7981, 0.0375, 3.1768),
        (0.8294, 0.0638, 3.1872),
        (0.8529, 0.07, 3.2048),
        (0.9102, 0.1233, 3.8168),
    ),
    12: (
        (0.9368, 0.0112, 3.2144),
        (0.9246, 0.0548, 3.2944),
        (0.8959, 0.0468, 3.1984),
        (0.8616, 0.0697, 3.2848),
        (0.8427, 0.0562, 3.2096),
        (0.8212, 0.0708, 3.1968),
        (0.8322, 0.073, 3.248),
        (0.8331, 0.056, 3.2584),
        (0.8461, 0.0571, 3.2048),
        (0.8429, 0.0647, 3.2384),
        (0.8602, 0.0687, 3.1928),
        (0.8702, 0.1094, 3.6768),
    ),
    16: (
        (1.0, 0.0017, 3.3016),
        (0.985, 0.0543, 3.324),
        (0.9592, 0.0584, 3.3144),
        (0.9171, 0.0616, 3.3008),
        (0.9018, 0.0762, 3.356),
        (0.88, 0.0726, 3.2752),
        (0.8637, 0.0655, 3.216),
        (0.8484, 0.0746, 3.1952),
        (0.8556, 0.0781, 3.2384),
        (0.8603, 0.0681, 3.2752),
        (0.8698, 0.0633, 3.252),
        (0.8605, 0.0651, 3.2144),
        (0.8557, 0.0746, 3.2336),
        (0.8687, 0.0822, 3.1712),
        (0.8829, 0.084, 3.2912),
        (0.9029, 0.139, 3.936),
    ),
}


@dataclass(frozen=True)
class Momentum:
    """Coefficients of the accelerated iteration: two momenta and the step length."""

    beta: float
    gamma: float
    step: float

    @classmethod
    def planned(cls, n_iter: int, bound: float) -> tuple[Momentum, ...]:
        """The coefficients of ``n_iter`` iterations in every time step, repeated where fewer.

        ``bound`` is that of :func:`~.operators.norm_bound`. Those of a few iterations are learned,
        one by one. The others were chosen by the error of 50 steps on photographs, noise and a
        disc, at T = .2 to 20, and by tight solves of signals. The step is a share of the largest
        one that is stable with these momenta; at the limit an odd number of iterations oscillates.
        """
        if n_iter in _LEARNED:
            return tuple(cls(beta, gamma, step / bound) for beta, gamma, step in _LEARNED[n_iter])
        if n_iter == 1:
            beta, lead, share = 0.56, 0.06, 0.69
        elif n_iter < 8:
            beta, lead, share = 0.8, 0.5, 0.9 if n_iter % 2 else 0.97
        elif 10 <= n_iter < 24:
            beta, lead, share = max(0.8, 1 - 2.2 / n_iter), 0.06, 0.98
        else:
            beta, lead, share = max(0.8, 1 - 2.2 / n_iter), 0.25, 0.9
        gamma = lead * beta
        return (cls(beta, gamma, share * 2 * (1 + beta) / ((1 + 2 * gamma) * bound)),)
