"""The commands and their options. Importing this stays cheap: `--help` must not wait for torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


@app.callback(invoke_without_command=True)
def tvflow(context: typer.Context, version: Version = False) -> None:
    """Compute the total variation flow of images: edges stay, small structures vanish first."""
    if version:
        from ._info import version_of

        typer.echo(f"skimage-tvflow {version_of('skimage-tvflow')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def flow(
    images: Images,
    output: Output,
    t: Times = None,
    steps: Steps = None,
    order: Order = None,
    tol: Tolerance = None,
    max_num_iter: MaxNumIter = None,
    channel_axis: ChannelAxis = None,
    batch_axis: BatchAxis = None,
    coupled_channels: CoupledChannels = False,
    spacing: Spacing = None,
    unit_range: UnitRange = False,
    device: Device = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Compute the flow of images, and write it as 32-bit TIFF stacks.

    IMAGE is a file (TIFF, PNG, JPEG, NumPy's .npy, ...) or a folder that has such files directly
    inside.

    Integers of up to 16 bits are computed in 32-bit floating point, which holds them exactly, or
    in 64 bits with a --tol below 1e-5; other integers in 64 bits, floating-point values as they
    are.
    """
    from ._flow import run
    from ._options import FlowOptions

    options = FlowOptions.from_command_line(
        times=t or [],
        solver={"n_steps": steps, "order": order, "tol": tol, "max_num_iter": max_num_iter},
        channel_axis=channel_axis,
        batch_axis=batch_axis,
        coupled_channels=coupled_channels,
        spacing=spacing,
        device=device,
        unit_range=unit_range,
    )
    run(images, output, options, force=force, as_json=json)


@app.command()
def info(json: AsJson = False) -> None:
    """Show versions, backends, devices and where compiled code is kept."""
    from ._info import run

    run(as_json=json)


@app.command()
def demo(output: DemoOutput = Path("out")) -> None:
    """Show the flow of a real image: a table, a stack, a contact sheet."""
    from ._demo import run

    run(output)
