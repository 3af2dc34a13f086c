"""The commands and their options. Importing this is cheap: `--help` must not wait for torch."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

Options = SimpleNamespace  # what was typed, an attribute for each option of the command
_Option = tuple[Any, Any]  # annotation for typer and default


def _parser(kind: Callable[[str], Any], needed: str) -> Callable[[str], Any]:
    """Return a parser whose message says what was typed, which typer's own leave out."""

    def parse(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise typer.BadParameter(f"a {needed} is needed, got {text!r}") from None

    return parse


_NUMBER, _WHOLE = _parser(float, "number"), _parser(int, "whole number")


def _number(help: str, metavar: str = "X") -> _Option:
    option = typer.Option(parser=_NUMBER, metavar=metavar, help=help)
    return Annotated[float | None, option], None


def _whole(help: str, metavar: str = "N", default: int | None = None) -> _Option:
    option = typer.Option(parser=_WHOLE, metavar=metavar, help=help)
    return Annotated[int | None, option], default


def _text(help: str, metavar: str) -> _Option:
    return Annotated[str | None, typer.Option(metavar=metavar, help=help)], None


def _flag(name: str, help: str) -> _Option:
    return Annotated[bool, typer.Option(f"--{name}", help=help)], False


def _output(help: str, metavar: str = "PATH", default: Any = inspect.Parameter.empty) -> _Option:
    # Not a Path, which forgets the slash at the end that says "folder".
    return Annotated[str, typer.Option("-o", "--output", metavar=metavar, help=help)], default


def _images(default: Any = inspect.Parameter.empty) -> _Option:
    # Described above the options, as typer would add the type of the list, which tells nothing.
    # Nor is typer to open the files: it answers a missing permission with a hint at --help.
    argument = typer.Argument(metavar="IMAGE", hidden=True, readable=False)
    return Annotated[list[Path] | None, argument], default


_T = typer.Option(
    *("-t", "--t"),
    parser=_NUMBER,
    metavar="T",
    help="Time, in the image's values times its spacing; for several: -t 0.1 -t 0.2. Without it: "
    "times in geometric progression up to extinction.",
)
_TIMES: _Option = (Annotated[list[float] | None, _T], None)
_BANDS = _whole("How many times, geometric, up to extinction. [default: 32]")
_BAND = typer.Option(metavar="T1 T2", help="Keep what vanishes from T1 on and before T2.")
_LAST = {
    "force": _flag("force", "Overwrite existing outputs."),
    "json": _flag("json", "Print one JSON object, for machines."),
    "debug": _flag("debug", "Show where in the program an error arose."),
}
# Named after the parameters of the library. What is not given is left to the library.
_ON_IMAGES = {
    "images": _images(),
    "output": _output(
        "For one image: the file to write, .tif or .npy, or, where the result fits into the "
        "integers of the input, a format such as .png ('spectrum': what the names of its four "
        "files begin with). For several, or with a slash at its end: the folder to write into. "
        "Missing folders are made."
    ),
    "tol": _number("Wanted error, relative to the image's standard deviation. [default: 0.001]"),
    "channel_axis": _text("Axis of the channels, or 'none'. Without it: the file's.", "AXIS"),
    "batch_axis": _whole(
        "Axis of independent images, as in a stack. Without it: the T axis of a TIFF that names "
        "one, as ImageJ's and OME's do.",
        "AXIS",
    ),
    "volume": _flag("volume", "Take the T axis as a spatial axis."),
    "coupled_channels": _flag("coupled-channels", "Keep the edges of all channels together."),
    "spacing": _text(
        "Pixel size, one for all spatial axes or one for each; times are in values times its unit. "
        "Without it: what a TIFF says (OME, ImageJ with a unit, a resolution above 2540 dpi). "
        "Lower resolutions say how large to print: of them only the shape of pixels that are not "
        "square is used.",
        "H[,H...]",
    ),
    "series": _whole("Which series of a TIFF that holds several, counted from 0."),
    "unit_range": _flag("unit-range", "Divide integer images by their type's maximum."),
    "device": _text("Where to compute: cpu, cuda, cuda:1, auto. [default: cpu]", "NAME"),
    **_LAST,
}

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


def _command(module: str, **options: _Option) -> Callable[[Callable[[], None]], None]:
    """Register the command of a function's name and docstring; `module` has what computes it."""

    def register(function: Callable[[], None]) -> None:
        name = function.__name__.strip("_")

        def command(**typed: Any) -> None:
            home = importlib.import_module(f"skimage_tvflow.cli.{module}")
            getattr(home, function.__name__)(Options(**typed))

        keyword = inspect.Parameter.KEYWORD_ONLY
        command.__doc__ = function.__doc__
        command.__annotations__ = {option: hint for option, (hint, _) in options.items()}
        vars(command)["__signature__"] = inspect.Signature(
            [
                inspect.Parameter(option, keyword, annotation=hint, default=default)
                for option, (hint, default) in options.items()
            ]
        )
        app.command(name)(command)

    return register


@_command(
    "commands",
    t=_TIMES,
    n_steps=_whole("Time steps to the largest time. Without it: as many as --tol needs."),
    order=_whole(
        "Order of the time steps: 1 is implicit Euler, 2 extrapolates from two step lengths. "
        "[default: 2]",
        "1|2",
    ),
    max_num_iter=_whole("Most iterations in one time step. [default: 2000]"),
    **_ON_IMAGES,
)
def flow() -> None:
    """Compute the flow of images at one or several times.

    Without -t: at twelve times up to extinction.

    IMAGE is a file (TIFF, PNG, JPEG, NumPy's .npy, ...) or a folder that has such files directly
    inside.

    Integers of up to 16 bits are computed in 32-bit floating point, which holds them exactly, or
    in 64 bits with a --tol below 1e-5; other integers in 64 bits, floating-point values as they
    are. TIFF files are written with 32 bits.
    """


@_command("bands", t=_TIMES, times=_BANDS, **_ON_IMAGES)
def spectrum() -> None:
    """Take images apart into bands that vanish one after the other.

    Writes the bands as a TIFF stack, one for each time but the last, the residual as a TIFF that
    completes their sum to the image, and the spectrum as a table (CSV) and a picture (PNG).
    """


@_command(
    "bands",
    band=(Annotated[tuple[str, str] | None, _BAND], None),
    stop=_flag("stop", "With --band: take that away, and keep all the rest."),
    low=_number("Keep what vanishes at T or later, and the residual.", "T"),
    high=_number("Keep what vanishes before T.", "T"),
    t=_TIMES,
    times=_BANDS,
    **_ON_IMAGES,
)
def filter_() -> None:
    """Keep or take away what vanishes at some times of the flow.

    One of --band, --low and --high is needed. Times are in the image's values times its spacing.
    """


@_command(
    "commands",
    sigma=_number(
        "Standard deviation of the noise, in the image's values; with --unit-range in those from "
        "0 to 1. Without it: estimated from the image."
    ),
    **_ON_IMAGES,
)
def denoise() -> None:
    """Remove white noise from images.

    From a stack with a batch axis, image by image.
    """


@_command(
    "train",
    images=_images(None),
    output=_output("The file of weights to write, a .safetensors."),
    synthetic=_whole("Learn from N made images of dead leaves, instead of reading.", default=0),
    axes=_whole("Spatial axes of synthetic images, 2 or 3.", default=2),
    weights=_text("Weights to start from: natural-2d, natural-3d or a file.", "NAME"),
    max_epochs=_whole("Epochs of 100 updates. Without it: chosen by the number of pixels."),
    random_state=_whole("Seed of weights and patches.", default=0),
    checkpoint_dir=_text("Where to keep a checkpoint, to go on with later.", "FOLDER"),
    **_LAST,
)
def train() -> None:
    """Train a network for the flow, without targets.

    Writes the weights, which TVFlowNet.from_pretrained reads.

    IMAGE is a file or a folder that has images directly inside, of any sizes; channels and the
    images of a T axis are separate images, other stacks are volumes.
    """


@_command("demo_info", json=_LAST["json"], debug=_LAST["debug"])
def info() -> None:
    """Show versions, backends, devices and threads."""


@_command(
    "demo_info",
    output=_output("Folder for the results; made when missing.", "FOLDER", "out"),
    debug=_LAST["debug"],
)
def demo() -> None:
    """Show the flow of a real image: a table, a stack, a picture."""
