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
_REQUIRED = inspect.Parameter.empty


def _parser(parse: Callable[[str], Any], needed: str) -> Callable[[str], Any]:
    def parser(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise typer.BadParameter(f"{needed} is needed, got {text!r}") from None

    return parser


def _numbers(text: str) -> float | list[float]:
    numbers = [float(h) for h in text.split(",")]
    return numbers if len(numbers) > 1 else numbers[0]


_NUMBER, _WHOLE = _parser(float, "a number"), _parser(int, "a whole number")
# The metavar and the parser of each type.
_KINDS = {int: ("N", _WHOLE), float: ("X", _NUMBER), str: ("NAME", None)}


def _option(kind: Any, help: str, *names: str, default: Any = None, **how: Any) -> _Option:
    metavar, parser = _KINDS.get(kind, (None, None))
    option = typer.Option(*names, help=help, **{"metavar": metavar, "parser": parser, **how})
    return Annotated[kind | None if default is None else kind, option], default


def _flag(name: str, help: str) -> _Option:
    return _option(bool, help, f"--{name}", default=False)


def _output(help: str, default: Any = _REQUIRED) -> _Option:
    # Not a Path, which forgets the slash at the end that says "folder".
    return _option(str, help, "-o", "--output", default=default, metavar="PATH")


def _images(default: Any) -> _Option:
    # Described above the options, as typer would add the type of the list, which tells nothing.
    # Nor is typer to open the files: it answers a missing permission with a hint at --help.
    argument = typer.Argument(metavar="IMAGE", hidden=True, readable=False)
    return Annotated[list[Path] | None, argument], default


_axis = _parser(lambda text: text if text == "none" else int(text), "a whole number or 'none'")
_lengths = _parser(_numbers, "a number, or several with commas,")
_LAST = {
    "force": _flag("force", "Overwrite existing outputs."),
    "json": _flag("json", "Print one JSON object, for machines."),
    "debug": _flag("debug", "Show where in the program an error arose."),
}
_T = "Time, in values times spacing; for several: -t 1 -t 2. Without: up to extinction."
_time = _parser(float, "a number, for several -t 0.1 -t 0.2,")
_TIMES = _option(list[float], _T, "-t", "--t", metavar="T", parser=_time)
_BANDS = _option(int, "How many times, geometric, up to extinction. [default: 32]")
# Named after the parameters of the library. What is not given is left to the library.
_ON_IMAGES = {
    "images": _images(_REQUIRED),
    "output": _output(
        "For one image: the file to write, .tif or .npy, or, where the result fits into the "
        "integers of the input, .png, .jpg or .bmp; for 'spectrum', how the names of four files "
        "begin. For several images, or with a slash at its end: the folder to write into."
    ),
    "tol": _option(float, "Error relative to the image's standard deviation. [default: 0.001]"),
    "channel_axis": _option(
        str, "Of the channels, or 'none'. Without: the file's.", parser=_axis, metavar="AXIS"
    ),
    "batch_axis": _option(int, "Of images in a stack. Without: the T axis of a TIFF."),
    "volume": _flag("volume", "Take the T axis as a spatial axis."),
    "coupled_channels": _flag("coupled-channels", "Keep the edges of all channels together."),
    "spacing": _option(
        str,
        "Pixel size, one or one for each spatial axis; times are in values times its unit. "
        "Without: what a TIFF says, in um; printing resolutions only count for their shape.",
        parser=_lengths,
        metavar="H[,H...]",
    ),
    "series": _option(int, "Which series of a TIFF that holds several, counted from 0."),
    "mask": _option(
        str,
        "An image of the same size that is not 0 where the image is data; elsewhere it comes back "
        "unchanged.",
        metavar="FILE",
    ),
    "nan_is_missing": _flag("nan-is-missing", "Take values that are no numbers as no data."),
    "unit_range": _flag("unit-range", "Divide integer images by their type's maximum."),
    "device": _option(str, "Where to compute: cpu, cuda, cuda:1, auto. [default: cpu]"),
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
        def command(**typed: Any) -> None:
            home = importlib.import_module(f"skimage_tvflow.cli.{module}")
            getattr(home, function.__name__)(Options(**typed))

        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter(name, kind, annotation=hint, default=default)
            for name, (hint, default) in options.items()
        ]
        vars(command)["__signature__"] = inspect.Signature(parameters)
        command.__annotations__ = {name: hint for name, (hint, _) in options.items()}
        app.command(function.__name__.strip("_"), help=inspect.getdoc(function))(command)

    return register


@_command(
    "flows",
    t=_TIMES,
    n_steps=_option(int, "Time steps to the largest time. Without: as many as --tol needs."),
    order=_option(int, "1 is implicit Euler, 2 extrapolates from two step lengths. [default: 2]"),
    max_num_iter=_option(int, "Most iterations in one time step. [default: 2000]"),
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
    band=_option(tuple[float, float], "Keep what vanishes from A on, before B.", metavar="A B"),
    stop=_flag("stop", "With --band: take that away, keep the rest."),
    low=_option(float, "Keep what vanishes at this time or later, and the residual."),
    high=_option(float, "Keep what vanishes before this time."),
    t=_TIMES,
    times=_BANDS,
    **_ON_IMAGES,
)
def filter_() -> None:
    """Keep or take away what vanishes at some times of the flow.

    One of --band, --low and --high is needed. Times are in the image's values times its spacing.
    """


@_command(
    "flows",
    sigma=_option(float, "Standard deviation of the noise, in values. Without: estimated."),
    variance_stabilize=_flag("variance-stabilize", "For counts, whose noise is that of Poisson."),
    **_ON_IMAGES,
)
def denoise() -> None:
    """Remove white noise from images, or from each image of a stack."""


@_command(
    "train",
    images=_images(None),
    output=_output("The file of weights to write, a .safetensors."),
    synthetic=_option(int, "Learn from N made images of dead leaves instead.", default=0),
    axes=_option(int, "Spatial axes of synthetic images, 2 or 3.", default=2),
    architecture=_option(str, "unrolled, or semi-resnet, that of the paper.", default="unrolled"),
    activation=_option(str, "Of a semi-resnet: mixed, relu or softplus.", default="mixed"),
    weights=_option(str, "Weights to start from: natural-2d, natural-3d, paper-2d or a file."),
    max_epochs=_option(int, "Epochs. Without: chosen by the number of pixels, or as in the paper."),
    lr=_option(float, "Largest learning rate. Without: 0.003, or 0.0005 for a semi-resnet."),
    random_state=_option(int, "Seed of weights and patches.", default=0),
    checkpoint_dir=_option(str, "Folder to keep a checkpoint in, to go on with later."),
    **_LAST,
)
def train() -> None:
    """Train a network for the flow, without targets.

    Writes the weights, which TVFlowNet.from_pretrained reads.

    IMAGE is a file or a folder that has images directly inside, of any sizes; channels and the
    images of a T axis are separate images, other stacks are volumes.
    """


@_command(
    "evaluate",
    folder=(
        Annotated[Path, typer.Argument(metavar="FOLDER", hidden=True, readable=False)],
        _REQUIRED,
    ),
    output=_output("Folder for the results; what is done is found again there."),
    methods=_option(str, "Some of them, with commas between. Without: all.", metavar="NAME[,...]"),
    size=_option(int, "Images are cropped to squares of this side, or resized.", default=96),
    limit=_option(int, "Only the first N images."),
    ablation=_option(int, "Also train nine networks, N epochs each, for the ablation.", default=0),
    device=_option(str, "Where to compute: cpu, cuda, cuda:1, auto. [default: cpu]"),
    debug=_LAST["debug"],
)
def evaluate() -> None:
    """Compare all methods on a folder of images, as the paper does.

    Writes its tables as Markdown and CSV, and its figure as PNG. Images may be gray or have
    colours, and be of any size. An evaluation that was interrupted goes on when the command is
    typed again.
    """


@_command("demo_info", json=_LAST["json"], debug=_LAST["debug"])
def info() -> None:
    """Show versions, devices, and where compiled code is kept."""


@_command("demo_info", output=_output("Folder for the results.", "out"), debug=_LAST["debug"])
def demo() -> None:
    """Show the flow of a real image: a table, a stack, a picture."""
