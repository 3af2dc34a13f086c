"""The method of implicit Euler steps: given steps or automatic ones."""

from __future__ import annotations

from skimage_tvflow.core.frames import OutputRequest
from skimage_tvflow.core.integrators.automatic_steps import AutomaticSteps
from skimage_tvflow.core.integrators.euler_steps import EulerIntegrator, EulerSettings
from skimage_tvflow.core.integrators.given_steps import GivenIterations, SolvesToTolerance
from skimage_tvflow.core.problem import Problem
from skimage_tvflow.core.progress import Report


class ImplicitEuler(EulerSettings):
    """See :class:`.EulerSettings` for the parameters."""

    def start(
        self, problem: Problem, request: OutputRequest, report: Report | None
    ) -> EulerIntegrator:
        """See :class:`~skimage_tvflow.core.integrate.Method`."""
        if self.n_steps is None:
            return AutomaticSteps(problem, self, request, report)
        steps = GivenIterations if self.tol is None else SolvesToTolerance
        return steps(problem, self, request, report)
