"""The arguments and options that the commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


# Described above the options, as typer would add the type of the list, which tells a user nothing.
# Nor is typer to open the files: it answers a missing permission with a hint at --help.
Images = Annotated[list[Path], typer.Argument(metavar="IMAGE", hidden=True, readable=False)]
Output = Annotated[
    str,  # not a Path, which forgets the slash at the end that says "folder"
    typer.Option(
        "-o",
        "--output",
        metavar="PATH",
        help="For one image: the file to write, a TIFF stack of all times, or for a single time "
        "any format. For several, or with a slash at its end: the folder to write into. "
        "Missing folders are made.",
    ),
]
Times = Annotated[
    list[float] | None,
    typer.Option(
        "-t",
        parser=_number,
        metavar="T",
        help="Time of the flow, in the image's values times its spacing; for several: "
        "-t 0.1 -t 0.2. Without it: twelve times, geometric, up to extinction.",
    ),
]
# What is not given is left to the library; importing it for its defaults would delay --help.
Steps = Annotated[
    int | None,
    typer.Option(
        parser=_whole_number,
        metavar="N",
        help="Time steps up to the largest time. Without it: as many as --tol needs.",
    ),
]
Order = Annotated[
    int | None,
    typer.Option(
        parser=_whole_number,
        metavar="1|2",
        help="Order of the time steps: 1 is implicit Euler, 2 extrapolates from two step lengths. "
        "[default: 2]",
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        parser=_number,
        metavar="X",
        help="Wanted error, relative to the standard deviation of the image. [default: 0.001]",
    ),
]
MaxNumIter = Annotated[
    int | None,
    typer.Option(
        parser=_whole_number,
        metavar="N",
        help="Most iterations in one time step. [default: 2000]",
    ),
]
ChannelAxis = Annotated[
    str | None,
    typer.Option(
        metavar="AXIS",
        help="Axis of the channels, or 'none'. Without it: what the file's format says.",
    ),
]
BatchAxis = Annotated[
    int | None,
    typer.Option(
        parser=_whole_number, metavar="AXIS", help="Axis of independent images, as in a stack."
    ),
]
CoupledChannels = Annotated[
    bool, typer.Option("--coupled-channels", help="Keep the edges of all channels together.")
]
Spacing = Annotated[
    str | None,
    typer.Option(metavar="H[,H...]", help="Pixel size: one number, or one for each spatial axis."),
]
UnitRange = Annotated[
    bool, typer.Option("--unit-range", help="Divide integer images by their type's maximum.")
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Where to compute: cpu, cuda, cuda:1, auto, ... [default: cpu]"
    ),
]
NumberOfTimes = Annotated[
    int | None,
    typer.Option(
        "--times",
        parser=_whole_number,
        metavar="N",
        help="How many times, geometric, up to extinction. [default: 32]",
    ),
]
BandTimes = Annotated[
    list[float] | None,
    typer.Option(
        "-t",
        parser=_number,
        metavar="T",
        help="In place of --times: at least two times at which to take the image apart, in its "
        "values times its spacing: -t 0.1 -t 0.2 -t 0.4.",
    ),
]
Prefix = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="PATH",
        help="For one image: what the names of the files begin with. For several, or with a slash "
        "at its end: the folder to write into. Missing folders are made.",
    ),
]
Single = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="PATH",
        help="For one image: the file to write, a TIFF or, for integers, any format that holds "
        "them. For several, or with a slash at its end: the folder to write into. Missing folders "
        "are made.",
    ),
]
Low = Annotated[
    float | None,
    typer.Option(
        parser=_number, metavar="T", help="Keep what vanishes at T or later, and the residual."
    ),
]
High = Annotated[
    float | None,
    typer.Option(parser=_number, metavar="T", help="Keep what vanishes before T."),
]
Band = Annotated[
    tuple[str, str] | None,  # parsed later, as typer's message leaves out what was typed
    typer.Option(metavar="T1 T2", help="Keep what vanishes from T1 on and before T2."),
]
Stop = Annotated[
    bool, typer.Option("--stop", help="With --band: take that away, and keep all the rest.")
]
Sigma = Annotated[
    float | None,
    typer.Option(
        parser=_number,
        metavar="X",
        help="Standard deviation of the noise, in the image's values; with --unit-range in those "
        "from 0 to 1. Without it: estimated from the image.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing outputs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
Version = Annotated[bool, typer.Option("--version", help="Print the version.")]
DemoOutput = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="FOLDER",
        help="Folder for the results; made when missing.",
        readable=False,
    ),
]
TrainingImages = Annotated[
    list[Path] | None, typer.Argument(metavar="[IMAGE]...", hidden=True, readable=False)
]
Weights = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="PATH", help="The file of weights to write, a .safetensors."
    ),
]
Synthetic = Annotated[
    int,
    typer.Option(
        parser=_whole_number,
        metavar="N",
        help="Learn from so many images of dead leaves that are made on the spot, instead of any "
        "that are read.",
    ),
]
Axes = Annotated[
    int,
    typer.Option(
        parser=_whole_number, metavar="D", help="Spatial axes of synthetic images, 2 or 3."
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="NAME", help="Weights to start from: natural-2d, natural-3d or a file."
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        parser=_whole_number,
        metavar="N",
        help="Epochs of 100 updates. Without it: as many as the images are worth.",
    ),
]
Seed = Annotated[
    int, typer.Option(parser=_whole_number, metavar="N", help="Seed of weights and patches.")
]
Checkpoints = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FOLDER",
        help="Where to keep a checkpoint, from which the same command goes on after a stop.",
    ),
]
