"""The options that commands share. Importing this must stay cheap: `--help` waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer


# Parsers of our own, as typer's messages leave out what was typed.
def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"a number is needed, got {text!r}") from None


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"a whole number is needed, got {text!r}") from None


def number(help: str, *names: str, metavar: str = "X") -> Any:
    """Return an option that takes a number."""
    return typer.Option(*names, parser=_number, metavar=metavar, help=help)


def whole(help: str, *names: str, metavar: str = "N") -> Any:
    """Return an option that takes a whole number."""
    return typer.Option(*names, parser=_whole_number, metavar=metavar, help=help)


def text(help: str, *names: str, metavar: str) -> Any:
    """Return an option that takes a text."""
    return typer.Option(*names, metavar=metavar, help=help)


# Described above the options, as typer would add the type of the list, which tells a user nothing.
# Nor is typer to open the files: it answers a missing permission with a hint at --help.
IMAGES = typer.Argument(metavar="IMAGE", hidden=True, readable=False)
Times = Annotated[
    list[float] | None,
    number(
        "Time, in the image's values times its spacing; for several: -t 0.1 -t 0.2. Without it: "
        "times in geometric progression up to extinction.",
        *("-t", "--t"),
        metavar="T",
    ),
]
Bands = Annotated[
    int | None, whole("How many times, geometric, up to extinction. [default: 32]", "--times")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing outputs.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")]


@dataclass(frozen=True)
class Options:
    """What all commands on images take; what is not given is left to the library."""

    images: Annotated[list[Path], IMAGES]
    output: Annotated[  # not a Path, which forgets the slash at the end that says "folder"
        str,
        text(
            "For one image: the file to write, .tif or .npy, or, where the result fits into the "
            "integers of the input, a format such as .png ('spectrum': what the names of its four "
            "files begin with). For several, or with a slash at its end: the folder to write "
            "into. Missing folders are made.",
            *("-o", "--output"),
            metavar="PATH",
        ),
    ]
    tol: Annotated[
        float | None,
        number("Wanted error, relative to the image's standard deviation. [default: 0.001]"),
    ] = None
    channel_axis: Annotated[
        str | None,
        text("Axis of the channels, or 'none'. Without it: the file's format.", metavar="AXIS"),
    ] = None
    batch_axis: Annotated[
        int | None,
        whole(
            "Axis of independent images, as in a stack. Without it: the T axis of a TIFF that "
            "names one, as ImageJ's and OME's do.",
            metavar="AXIS",
        ),
    ] = None
    volume: Annotated[bool, typer.Option("--volume", help="Take the T axis as spatial.")] = False
    coupled_channels: Annotated[
        bool, typer.Option("--coupled-channels", help="Keep the edges of all channels together.")
    ] = False
    spacing: Annotated[
        str | None,
        text(
            "Pixel size, one for all spatial axes or one for each; times are in values times its "
            "unit. Without it: what a TIFF says (OME, ImageJ with a unit, a resolution above 2540 "
            "dpi). Lower resolutions say how large to print: of them only the shape of pixels "
            "that are not square is used.",
            metavar="H[,H...]",
        ),
    ] = None
    series: Annotated[
        int | None, whole("Which series of a TIFF that holds several, counted from 0.")
    ] = None
    unit_range: Annotated[
        bool, typer.Option("--unit-range", help="Divide integer images by their type's maximum.")
    ] = False
    device: Annotated[
        str | None,
        text("Where to compute: cpu, cuda, cuda:1, auto. [default: cpu]", metavar="NAME"),
    ] = None
    force: Force = False
    json: Json = False
    debug: Debug = False
