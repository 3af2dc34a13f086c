"""The commands. Importing this must stay cheap: `--help` must not wait for torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, get_type_hints

import typer

from skimage_tvflow.cli.options import (
    IMAGES,
    Bands,
    Debug,
    Force,
    Json,
    Options,
    Times,
    number,
    text,
    whole,
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def skimage_tvflow(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Compute the total variation flow of images: edges stay, small structures vanish first.

    Options are named after the parameters of the Python functions: where a message speaks of
    channel_axis=-1, type --channel-axis -1.
    """
    if version:
        from skimage_tvflow import __version__

        typer.echo(f"skimage-tvflow {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _on_images(function: Callable[..., None]) -> None:
    """Register ``_name(options, **own)`` as the command ``name`` with all options of Options."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    hints = get_type_hints(Options, include_extras=True)
    common = {
        field.name: inspect.Parameter(
            field.name,
            keyword,
            annotation=hints[field.name],
            # typer takes a parameter without default as required
            **({} if field.name in ("images", "output") else {"default": field.default}),
        )
        for field in fields(Options)
    }
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    images, output, *others = common.values()
    parameters = [images, output, *(one.replace(kind=keyword) for one in own), *others]

    def command(**typed: object) -> None:
        function(Options(**{name: typed.pop(name) for name in common}), **typed)  # type: ignore[arg-type]

    command.__doc__ = function.__doc__
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    vars(command)["__signature__"] = inspect.Signature(parameters)
    app.command(function.__name__.removeprefix("_"))(command)


@_on_images
def _flow(
    options: Options,
    t: Times = None,
    n_steps: Annotated[
        int | None, whole("Time steps to the largest time. Without it: as many as --tol needs.")
    ] = None,
    order: Annotated[
        int | None,
        whole(
            "Order of the time steps: 1 is implicit Euler, 2 extrapolates from two step lengths. "
            "[default: 2]",
            metavar="1|2",
        ),
    ] = None,
    max_num_iter: Annotated[
        int | None, whole("Most iterations in one time step. [default: 2000]")
    ] = None,
) -> None:
    """Compute the flow of images, at twelve times up to extinction unless -t names others.

    IMAGE is a file (TIFF, PNG, JPEG, NumPy's .npy, ...) or a folder that has such files directly
    inside.

    Integers of up to 16 bits are computed in 32-bit floating point, which holds them exactly, or
    in 64 bits with a --tol below 1e-5; other integers in 64 bits, floating-point values as they
    are. TIFF files are written with 32 bits.
    """
    from skimage_tvflow.cli.commands import flow

    flow(options, t or [], n_steps=n_steps, order=order, max_num_iter=max_num_iter)


@_on_images
def _spectrum(options: Options, t: Times = None, times: Bands = None) -> None:
    """Take images apart into bands that vanish one after the other.

    Writes the bands as a TIFF stack, one for each time but the last, the residual as a TIFF that
    completes their sum to the image, and the spectrum as a table (CSV) and a picture (PNG).
    """
    from skimage_tvflow.cli.commands import spectrum

    spectrum(options, t or [], times)


@_on_images
def _filter(
    options: Options,
    band: Annotated[
        tuple[str, str] | None,  # parsed later, as typer's message leaves out what was typed
        text("Keep what vanishes from T1 on and before T2.", metavar="T1 T2"),
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="With --band: take that away, and keep all the rest.")
    ] = False,
    low: Annotated[
        float | None, number("Keep what vanishes at T or later, and the residual.", metavar="T")
    ] = None,
    high: Annotated[float | None, number("Keep what vanishes before T.", metavar="T")] = None,
    t: Times = None,
    times: Bands = None,
) -> None:
    """Keep or take away what vanishes at some times of the flow.

    One of --band, --low and --high is needed. Times are in the image's values times its spacing.
    """
    from skimage_tvflow.cli.commands import filter_bands

    filter_bands(options, t or [], times, {"--band": band, "--low": low, "--high": high}, stop=stop)


@_on_images
def _denoise(
    options: Options,
    sigma: Annotated[
        float | None,
        number(
            "Standard deviation of the noise, in the image's values; with --unit-range in those "
            "from 0 to 1. Without it: estimated from the image."
        ),
    ] = None,
) -> None:
    """Remove white noise from images; from a stack with a batch axis, image by image."""
    from skimage_tvflow.cli.commands import denoise

    denoise(options, sigma)


@app.command()
def train(
    output: Annotated[
        Path,
        text("The file of weights to write, a .safetensors.", "-o", "--output", metavar="PATH"),
    ],
    images: Annotated[list[Path] | None, IMAGES] = None,
    synthetic: Annotated[
        int, whole("Learn from this many made images of dead leaves, instead of reading any.")
    ] = 0,
    axes: Annotated[int, whole("Spatial axes of synthetic images, 2 or 3.", metavar="D")] = 2,
    weights: Annotated[
        str | None,
        text("Weights to start from: natural-2d, natural-3d or a file.", metavar="NAME"),
    ] = None,
    max_epochs: Annotated[
        int | None, whole("Epochs of 100 updates. Without it: chosen by the number of pixels.")
    ] = None,
    random_state: Annotated[int, whole("Seed of weights and patches.")] = 0,
    checkpoint_dir: Annotated[
        Path | None,
        text("Where to keep a checkpoint, from which the same command goes on.", metavar="FOLDER"),
    ] = None,
    force: Force = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a network for the flow, without targets.

    Writes the weights, which TVFlowNet.from_pretrained reads.

    IMAGE is a file or a folder that has images directly inside, of any sizes; channels and the
    images of a T axis are separate images, other stacks are volumes.
    """
    from skimage_tvflow.cli.train import train

    given = {
        "weights": weights,
        "max_epochs": "auto" if max_epochs is None else max_epochs,
        "random_state": random_state,
        "checkpoint_dir": checkpoint_dir,
    }
    train(images or [], output, synthetic, axes, given, force=force, as_json=json)


@app.command()
def info(json: Json = False) -> None:
    """Show versions, backends, devices and threads."""
    from skimage_tvflow.cli.demo_info import info

    info(as_json=json)


@app.command()
def demo(
    output: Annotated[
        Path, text("Folder for the results; made when missing.", "-o", "--output", metavar="FOLDER")
    ] = Path("out"),
    debug: Debug = False,
) -> None:
    """Show the flow of a real image: a table, a stack, a picture."""
    from skimage_tvflow.cli.demo_info import demo

    demo(output)
