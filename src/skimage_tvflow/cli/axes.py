"""Which axis of a picture is which, and how large its pixels are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skimage_tvflow.cli.app import Options
from skimage_tvflow.cli.picture import Picture
from skimage_tvflow.cli.program import BadImage, CliError


def choose_axes(picture: Picture, options: Options) -> tuple[dict[str, Any], list[str]]:
    """Return the keywords of the library about axes, and notes on what the file decided."""
    notes = list(picture.notes)
    letters, shape = picture.axes, picture.array.shape
    channel, batch = _channel_axis(picture, options), options.batch_axis
    if channel is not None and options.channel_axis is None:
        notes.append(
            f"its format says that axis {channel} holds {shape[channel]} channels; "
            "--channel-axis overrides this"
        )
    stacked = batch is None and not options.volume and len(shape) > 2
    if stacked and "T" in letters and channel != letters.index("T"):
        batch = letters.index("T")
        notes.append(
            f"axis {batch} holds {shape[batch]} times, which are computed as independent images; "
            "--volume makes it a spatial axis"
        )
    elif stacked and letters[0] in "QI" and picture.tags:
        notes.append(
            f"its {shape[0]} pages are taken as one volume; --batch-axis 0 takes them as "
            "independent images, --volume confirms this"
        )
    taken = {axis % len(shape) for axis in (channel, batch) if axis is not None}
    spatial = [letter for axis, letter in enumerate(letters) if axis not in taken]
    if options.spacing is not None:
        spacing: Any = _parse_spacing(options.spacing)
    else:
        spacing = _spacing_of_file(picture, spatial, notes) if picture.spacing else None
    given = {
        "channel_axis": channel,
        "batch_axis": batch,
        "spacing": spacing,
        "device": options.device,
        "coupled_channels": options.coupled_channels or None,
    }
    return {name: value for name, value in given.items() if value is not None}, notes


def _channel_axis(picture: Picture, options: Options) -> int | None:
    """Return the axis of the channels: the one asked for, or the one that the format knows."""
    if options.channel_axis == "none":
        return None
    if options.channel_axis is not None:
        try:
            return int(options.channel_axis)
        except ValueError:
            raise CliError(
                f"--channel-axis must be a whole number or 'none', got {options.channel_axis!r}. "
                "Type --channel-axis -1 for the last axis."
            ) from None
    batch = None if options.batch_axis is None else options.batch_axis % picture.array.ndim
    known = [k for k, letter in enumerate(picture.axes) if letter in "SC" and k != batch]
    if len(known) > 1:
        raise BadImage(
            f"{picture.path} has two axes of channels ({picture.axes}, shape "
            f"{picture.array.shape}); one is needed. Type --channel-axis {known[0]} or "
            f"--channel-axis {known[1]}."
        )
    return known[0] if known else None


def _parse_spacing(text: str) -> float | tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CliError(
            f"--spacing must be numbers separated by commas, got {text!r}. "
            "Type --spacing 0.5, or --spacing 2,0.5,0.5 for one per spatial axis."
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]


def _spacing_of_file(
    picture: Picture, letters: Sequence[str], notes: list[str]
) -> tuple[float, ...] | None:
    missing = [letter for letter in letters if letter not in picture.spacing]
    if missing:
        notes.append(
            f"its pixel sizes are not used, as there is none for axis {', '.join(missing)}; "
            "--spacing gives one for each spatial axis"
        )
        return None
    spacing = tuple(float(f"{picture.spacing[letter]:.6g}") for letter in letters)
    notes.append(
        f"spacing {', '.join(f'{h:g}' for h in spacing)} {picture.unit} from the file, so times "
        f"are in values x {picture.unit}; --spacing overrides, --spacing 1 is pixels"
    )
    return spacing
