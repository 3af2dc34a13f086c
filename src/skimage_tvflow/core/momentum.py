r"""Momenta and step lengths of the accelerated dual iteration.

Iteration j = 0, ..., n - 1 of a time step has its own :math:`\beta_j`, :math:`\gamma_j` and

.. math:: s_j = \sigma_j \frac{2 (1 + \beta_j)}{(1 + 2 \gamma_j) L} ,

where :math:`\sigma_j = 1` would be the longest step that is stable if all iterations were alike and
L bounds the squared norm of D. They are not alike for few iterations: the last one of a time step
is longer, as what matters is where the step ends. For 6 to 16 iterations the momentum also falls
and rises,

.. math:: \beta_j = a - \frac{b}{n} + c \Bigl(\frac{j}{n - 1} - d\Bigr)^2, \qquad
    \gamma_j = \frac{g}{n} .

The linear iteration of a whole time step, with ``f += div phi`` at its end, has no eigenvalue above
1.002, so nothing grows where the image is flat; 2 iterations have 1.056, as stable ones are .5 dB
worse. ``tests/calibration/momenta.py`` finds the numbers again. They save a sixth of the iterations
against constant momenta: for 60 dB (mean of 50 steps) photographs, cartoons, cells and noise of 96
x 96 pixels take 7 to 15 at T = 1 instead of 8 to 17, and 1 to 4 at T = .2, one less on three of
twelve images.
"""

from __future__ import annotations

from dataclasses import dataclass

# For up to 5 iterations: beta, gamma and sigma of all iterations, gamma and sigma of the last one.
_FEW = {
    1: (0.46, 0.0, 0.665, 0.0, 0.665),
    2: (0.763, 0.336, 0.911, 0.308, 1.059),
    3: (0.73, 0.25, 0.79, 0.18, 1.56),
    4: (0.775, 0.305, 0.92, 0.02, 1.37),
    5: (0.806, 0.27, 0.9, 0.08, 1.46),
}
# After a multigrid cycle, however many iterations: beta, gamma over beta, and sigma.
_AFTER_CYCLE = (0.93, 0.25, 0.9)
# On the coarse levels of the cycle.
_IN_CYCLE = (0.7, 0.25, 0.9)
# For 6 to 16 iterations: a, b, c, d, g and sigma, then gamma and sigma of the last one.
_SEVERAL = (0.848, 0.85, 1.25, 0.53, 1.13, 0.934, 0.04, 1.27)
_MOST_SEVERAL = 16  # iterations


@dataclass(frozen=True)
class Momentum:
    """Coefficients of one iteration: two momenta and the step length."""

    beta: float
    gamma: float
    step: float

    @classmethod
    def planned(cls, n_iter: int, bound: float) -> tuple[Momentum, ...]:
        """Return the coefficients of ``n_iter`` iterations in every time step.

        If there are fewer of them, they are taken in turn. ``bound`` is L, that of
        :func:`~.operators.norm_bound`.
        """
        if n_iter in _FEW:
            beta, gamma, share, last_gamma, last_share = _FEW[n_iter]
            betas = [beta] * n_iter
        elif n_iter <= _MOST_SEVERAL:
            a, b, c, d, g, share, last_gamma, last_share = _SEVERAL
            betas = [a - b / n_iter + c * (j / (n_iter - 1) - d) ** 2 for j in range(n_iter)]
            gamma = g / n_iter
        else:
            # At sigma = 1 the fastest oscillation is not damped at all.
            lead, share = (0.06, 0.98) if n_iter < 24 else (0.25, 0.9)
            beta = 1 - 2.2 / n_iter
            return (cls._stable(beta, lead * beta, share, bound),)
        first = [cls._stable(beta, gamma, share, bound) for beta in betas[:-1]]
        return (*first, cls._stable(betas[-1], last_gamma, last_share, bound))

    @classmethod
    def after_cycle(cls, bound: float) -> Momentum:
        """Return the coefficients of all iterations that follow a multigrid cycle."""
        beta, lead, share = _AFTER_CYCLE
        return cls._stable(beta, lead * beta, share, bound)

    @classmethod
    def in_cycle(cls, bound: float) -> Momentum:
        """Return the coefficients of the iterations on a coarse level."""
        beta, lead, share = _IN_CYCLE
        return cls._stable(beta, lead * beta, share, bound)

    @classmethod
    def _stable(cls, beta: float, gamma: float, share: float, bound: float) -> Momentum:
        """Return the momentum with a step of ``share`` of the longest stable one."""
        return cls(beta, gamma, share * 2 * (1 + beta) / ((1 + 2 * gamma) * bound))
