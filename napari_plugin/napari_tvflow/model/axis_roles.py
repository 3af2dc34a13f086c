"""What each axis of a layer is to the flow: a part of one image, or a row of separate images."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Role(StrEnum):
    """The meaning of an axis; the value is the text that the user reads."""

    PLANE = "plane"
    IMAGES = "separate images"
    TIME = "time"
    DEPTH = "depth of a volume"
    CHANNELS = "channels"

    @property
    def is_separate(self) -> bool:
        """Whether every position along the axis has a flow of its own."""
        return self in (Role.IMAGES, Role.TIME)


# The last two axes are always the plane of the image.
CHOICES = (Role.IMAGES, Role.TIME, Role.DEPTH, Role.CHANNELS)

_BY_LABEL = {
    Role.TIME: ("t", "time", "frame", "frames"),
    Role.DEPTH: ("z", "depth", "plane", "planes"),
    Role.CHANNELS: ("c", "ch", "channel", "channels"),
}


def guess_roles(axis_labels: Sequence[str], default: Role = Role.IMAGES) -> tuple[Role, ...]:
    """
    Guess the roles of a layer's axes by their names.

    Parameters
    ----------
    axis_labels : sequence of str
        Names of all axes, as napari keeps them.
    default : Role, optional
        For axes whose name says nothing.

    Returns
    -------
    tuple of Role
        One for each axis; at most one axis is channels.
    """
    roles: list[Role] = []
    for label in axis_labels[:-2]:
        known = [role for role, names in _BY_LABEL.items() if label.strip().lower() in names]
        role = known[0] if known else default
        if role is Role.CHANNELS and role in roles:
            role = Role.IMAGES
        roles.append(role)
    return (*roles, Role.PLANE, Role.PLANE)[-len(axis_labels) :]


def one_channel_axis(roles: Sequence[Role], changed: int) -> tuple[Role, ...]:
    """
    Keep a single channel axis after the user has changed one role.

    Parameters
    ----------
    roles : sequence of Role
        The roles as chosen.
    changed : int
        The axis that was changed last, which stays as it is.

    Returns
    -------
    tuple of Role
        Other channel axes have become separate images.
    """
    channels = roles[changed] is Role.CHANNELS
    return tuple(
        Role.IMAGES if role is Role.CHANNELS and channels and axis != changed else role
        for axis, role in enumerate(roles)
    )
