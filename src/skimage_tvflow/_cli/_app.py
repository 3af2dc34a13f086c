"""The commands. Importing this stays cheap: `--help` must not wait for torch."""

from __future__ import annotations

from pathlib import Path

import typer

from ._arguments import (
    AsJson,
    Axes,
    Band,
    BandTimes,
    BatchAxis,
    ChannelAxis,
    Checkpoints,
    CoupledChannels,
    DemoOutput,
    Device,
    Epochs,
    Force,
    High,
    Images,
    Low,
    MaxNumIter,
    NumberOfTimes,
    Order,
    Output,
    Prefix,
    Seed,
    Sigma,
    Single,
    Spacing,
    Start,
    Steps,
    Stop,
    Synthetic,
    Times,
    Tolerance,
    TrainingImages,
    UnitRange,
    Version,
    Weights,
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
def spectrum(
    images: Images,
    output: Prefix,
    times: NumberOfTimes = None,
    t: BandTimes = None,
    tol: Tolerance = None,
    channel_axis: ChannelAxis = None,
    batch_axis: BatchAxis = None,
    coupled_channels: CoupledChannels = False,
    spacing: Spacing = None,
    unit_range: UnitRange = False,
    device: Device = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Take images apart into bands that vanish one after the other.

    Writes the bands as a TIFF stack, one for each time but the last, the residual as a TIFF that
    completes their sum to the image, and the spectrum as a table (CSV) and a picture (PNG).
    """
    from ._options import FlowOptions, decomposition_times
    from ._spectrum import run

    options = FlowOptions.from_command_line(
        **decomposition_times(t or [], times),
        solver={"tol": tol},
        channel_axis=channel_axis,
        batch_axis=batch_axis,
        coupled_channels=coupled_channels,
        spacing=spacing,
        device=device,
        unit_range=unit_range,
    )
    run(images, output, options, force=force, as_json=json)


@app.command("filter")
def filter_(
    images: Images,
    output: Single,
    band: Band = None,
    stop: Stop = False,
    low: Low = None,
    high: High = None,
    times: NumberOfTimes = None,
    t: BandTimes = None,
    tol: Tolerance = None,
    channel_axis: ChannelAxis = None,
    batch_axis: BatchAxis = None,
    coupled_channels: CoupledChannels = False,
    spacing: Spacing = None,
    unit_range: UnitRange = False,
    device: Device = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Keep or take away what vanishes at some times of the flow.

    One of --band, --low and --high is needed. Times are in the image's values times its spacing.
    """
    from ._filter import Kept, run
    from ._options import FlowOptions, decomposition_times

    kept = Kept.from_command_line(low=low, high=high, band=band, stop=stop)
    options = FlowOptions.from_command_line(
        **decomposition_times(t or [], times),
        solver={"tol": tol},
        channel_axis=channel_axis,
        batch_axis=batch_axis,
        coupled_channels=coupled_channels,
        spacing=spacing,
        device=device,
        unit_range=unit_range,
    )
    run(images, output, options, kept, force=force, as_json=json)


@app.command()
def denoise(
    images: Images,
    output: Single,
    sigma: Sigma = None,
    tol: Tolerance = None,
    channel_axis: ChannelAxis = None,
    coupled_channels: CoupledChannels = False,
    spacing: Spacing = None,
    unit_range: UnitRange = False,
    device: Device = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Remove white noise from images."""
    from ._denoise import run
    from ._options import FlowOptions

    options = FlowOptions.from_command_line(
        times=[],
        solver={"tol": tol},
        channel_axis=channel_axis,
        coupled_channels=coupled_channels,
        spacing=spacing,
        device=device,
        unit_range=unit_range,
    )
    run(images, output, options, sigma, force=force, as_json=json)


@app.command()
def train(
    output: Weights,
    images: TrainingImages = None,
    synthetic: Synthetic = 0,
    axes: Axes = 2,
    start: Start = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    checkpoints: Checkpoints = None,
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Train a network for the flow, without targets.

    Writes the weights, which TVFlowNet.from_pretrained reads.

    IMAGE is a file or a folder that has images directly inside, of any sizes; channels are
    separate images, stacks are volumes.
    """
    from ._train import TrainOptions, run

    options = TrainOptions(synthetic, axes, start, epochs, seed, checkpoints)
    run(images or [], output, options, force=force, as_json=json)


@app.command()
def info(json: AsJson = False) -> None:
    """Show versions, backends, devices and the compiler's cache."""
    from ._info import run

    run(as_json=json)


@app.command()
def demo(output: DemoOutput = Path("out")) -> None:
    """Show the flow of a real image: a table, a stack, a picture."""
    from ._demo import run

    run(output)
