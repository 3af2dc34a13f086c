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

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]


@app.callback(invoke_without_command=True)
def tvflow(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Compute the total variation flow of images: edges stay, small structures vanish first."""
    if version:
        from ._info import version_of

        typer.echo(f"skimage-tvflow {version_of('skimage-tvflow')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def flow(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Files or folders.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="For one file: the file to write, a TIFF stack of all times, or for a single time "
            "any format. For several files or a folder: the folder to write into.",
        ),
    ],
    t: Annotated[
        list[float] | None,
        typer.Option(
            "-t",
            help="Time of the flow, in the image's values times its spacing; may be repeated. "
            "Without it: twelve times, geometric, up to extinction.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of implicit Euler up to the largest time.")
    ] = None,
    order: Annotated[int | None, typer.Option(help="Order of the time steps.")] = None,
    tol: Annotated[
        float | None, typer.Option(help="Wanted error, relative to the standard deviation.")
    ] = None,
    max_num_iter: Annotated[
        int | None, typer.Option(help="Largest number of iterations in each time step.")
    ] = None,
    channel_axis: Annotated[
        str | None,
        typer.Option(
            metavar="AXIS",
            help="Axis of the channels, or 'none'. Without it: what the file's format says.",
        ),
    ] = None,
    batch_axis: Annotated[
        int | None, typer.Option(metavar="AXIS", help="Axis of independent images, as in a stack.")
    ] = None,
    coupled_channels: Annotated[
        bool, typer.Option("--coupled-channels", help="Keep the edges of all channels together.")
    ] = False,
    spacing: Annotated[
        str | None,
        typer.Option(
            metavar="H[,H...]", help="Pixel size: one number, or one for each spatial axis."
        ),
    ] = None,
    unit_range: Annotated[
        bool,
        typer.Option("--unit-range", help="Divide integer images by their type's maximum."),
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="Where to compute: cpu, cuda, cuda:1, auto, ...")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing outputs.")] = False,
    json: JsonOption = False,
) -> None:
    """Compute the flow of images and write it beside them, as 32-bit TIFF stacks."""
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
def info(json: JsonOption = False) -> None:
    """Show versions, backends, devices, threads and where compiled code is cached."""
    from ._info import run

    run(as_json=json)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the results; made when missing.")
    ] = Path("out"),
) -> None:
    """Show the flow of a real image: a table, a TIFF stack and a contact sheet as PNG."""
    from ._demo import run

    run(output)
