"""How a result came about: for the metadata of its layer, and as a script."""

from __future__ import annotations

from typing import Any

from napari_tvflow.model.settings import DRAFT, IMAGE, REMOVED, SPACE, FlowSettings
from napari_tvflow.model.source import Source

_LETTERS = "ijklmn"


def about_result(
    source: Source, settings: FlowSettings, output: str, **facts: Any
) -> dict[str, Any]:
    """
    Describe a result in plain values, for `layer.metadata`.

    Parameters
    ----------
    source : Source
        What it was computed from.
    settings : FlowSettings
        How.
    output : str
        What it is.
    **facts : dict
        Its time, error, bound, ...

    Returns
    -------
    dict
        Strings, numbers and lists.
    """
    from skimage_tvflow import __version__

    method = settings.method if output in (IMAGE, REMOVED) else "chambolle"
    return {
        "output": output,
        "source": source.name,
        "axes": [str(role) for role in source.roles],
        "quality": settings.quality,
        "method": method if settings.quality != DRAFT else "draft of a scale space",
        "tol": settings.tol,
        "device": settings.device,
        "parameters": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in source.parameters().items()
        },
        "unit of t": f"value x {source.pixel:g} {source.unit}",
        "version": f"skimage-tvflow {__version__}",
        # NaN stands for what is not known; None can be written to JSON.
        **{name: None if value != value else value for name, value in facts.items()},
    }


def script(source: Source, settings: FlowSettings, t: float) -> str:
    """
    Write a script that computes the same without napari's window.

    Parameters
    ----------
    source : Source
        The layer.
    settings : FlowSettings
        How to compute.
    t : float
        The time.

    Returns
    -------
    str
        Python, which expects the pixels of the layer in `image` and leaves the result in `result`.
    """
    indices: list[str] = []
    names: list[str] = []
    for axis in range(len(source.roles)):
        if axis in source.separate_axes:
            names.append(_LETTERS[len(names)])
            indices.append(names[-1])
        else:
            indices.append(":")
    while indices and indices[-1] == ":":
        indices.pop()
    rgb = "[..., :3]" if source.rgb and source.data.shape[-1] == 4 else ""
    compute, imports = _call(source, settings, t)
    lines = [
        "import numpy as np",
        f"from skimage_tvflow import {imports}",
        "",
        f"# The pixels of the layer {source.name!r}: in napari's console",
        f"# image = np.asarray(viewer.layers[{source.name!r}].data)",
        f"image = image{rgb}.astype(np.float32)" if rgb else "image = image.astype(np.float32)",
        f"t = {t!r}  # in values x pixels",
        "",
    ]
    if not names:
        lines.append(f"result = {compute('image')}")
    else:
        item = f"image[{', '.join(indices)}]"
        sizes = ", ".join(f"image.shape[{axis}]" for axis in source.separate_axes)
        lines += ["result = np.empty_like(image)"] * (settings.output != SPACE)
        lines += ["result = {}"] * (settings.output == SPACE)
        target = f"result[{', '.join(indices)}]"
        if settings.output == SPACE:
            target = f"result[{', '.join(names)}]"
        lines += [
            f"for {', '.join(names)}{',' if len(names) == 1 else ''} in np.ndindex({sizes}):",
            f"    {target} = {compute(item)}",
        ]
    return "\n".join(lines) + "\n"


def _call(source: Source, settings: FlowSettings, t: float) -> tuple[Any, str]:
    """A function from the name of an image to the expression of its flow; what it imports."""
    parameters: dict[str, Any] = {"tol": settings.tol, **source.parameters()}
    if settings.device != "cpu":
        parameters["device"] = settings.device
    draft = settings.quality == DRAFT
    if settings.output == SPACE or draft:
        if draft:
            parameters["refine"] = False
        if settings.output != SPACE:
            parameters["t_max"] = t
        name, end = "scale_space", "" if settings.output == SPACE else "(t)"
    else:
        name, end = "tv_flow", ""
        if settings.method != "chambolle":
            parameters = {"method": settings.method, **parameters}
            if settings.method == "net":
                del parameters["tol"]
    given = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
    time = ", t" if name == "tv_flow" else ""
    before = "{image} - " if settings.output == REMOVED else ""
    text = f"{before}{name}({{image}}{time}, {given}){end}"
    return lambda image: text.format(image=image), name
