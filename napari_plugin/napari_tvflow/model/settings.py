"""How the flow is computed: what stands under More, and the defaults from the preferences."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from napari_tvflow.model.axis_roles import Role

DRAFT, EXACT = "draft", "exact"
METHODS = ("chambolle", "joint", "net")
IMAGE, REMOVED, SPACE = "image at t", "what was removed", "scale space over t"
OUTPUTS = (IMAGE, REMOVED, SPACE)
DISTRIBUTION = "skimage-tvflow"


@dataclass(frozen=True)
class FlowSettings:
    """
    What the user can choose, apart from the layer and t.

    Attributes
    ----------
    quality : {"draft", "exact"}
        A draft is within about 40 dB of the flow; exact results have an error and a bound.
    method : {"chambolle", "joint", "net"}
        Which estimator computes an exact image, as in `skimage_tvflow.tv_flow`.
    tol : float
        Accuracy of exact results, relative to the standard deviation of the image.
    device : str
        Where to compute: "cpu", "cuda" or "auto".
    coupled : bool
        Whether edges of channels are kept together.
    output : str
        What Run adds: one of `OUTPUTS`.
    n_times : int
        Number of frames of a scale space over t.
    stack : Role
        What a third axis is if its name does not say so.
    preview : bool
        Whether a new dock shows a live preview.
    """

    quality: str = EXACT
    method: str = "chambolle"
    tol: float = 1e-3
    device: str = "cpu"
    coupled: bool = True
    output: str = IMAGE
    n_times: int = 48
    stack: Role = Role.IMAGES
    preview: bool = True

    def change(self, **values: Any) -> FlowSettings:
        """
        Change some of them.

        Parameters
        ----------
        **values : dict
            New values.

        Returns
        -------
        FlowSettings
            The new settings.
        """
        return dataclasses.replace(self, **values)

    def same_space(self, other: FlowSettings) -> bool:
        """
        Tell whether a scale space that was made with these settings serves others, too.

        Parameters
        ----------
        other : FlowSettings
            The others.

        Returns
        -------
        bool
            Whether tolerance, device and coupling are the same.
        """
        names = ("tol", "device", "coupled")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def preferred_settings() -> FlowSettings:
    """
    Read the defaults that the user has set in napari's preferences.

    Returns
    -------
    FlowSettings
        The library's own defaults where the plugin is not registered, as in a script.
    """
    from napari.settings import get_plugin_settings

    try:
        page = get_plugin_settings(DISTRIBUTION).flow
    except (KeyError, AttributeError):
        return FlowSettings()
    return FlowSettings(
        quality=page.quality,
        tol=float(page.tolerance),
        device=page.device,
        coupled=bool(page.coupled_channels),
        n_times=int(page.frames),
        stack=Role(page.third_axis),
        preview=bool(page.live_preview),
    )
