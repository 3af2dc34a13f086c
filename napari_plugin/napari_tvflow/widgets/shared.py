"""One session for all docks of a viewer."""

from __future__ import annotations

from typing import Any

from napari_tvflow.model.session import Session

_sessions: dict[int, tuple[Session, set[int]]] = {}


def join_session(viewer: Any, dock: object) -> Session:
    """
    Give a dock the session of its viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    dock : object
        Who joins.

    Returns
    -------
    Session
        That of the other docks of the viewer, or a new one.
    """
    key = id(getattr(viewer, "__wrapped__", viewer))
    if key not in _sessions:
        _sessions[key] = Session(viewer), set()
    session, docks = _sessions[key]
    docks.add(id(dock))
    return session


def leave_session(session: Session, dock: object) -> None:
    """
    Let a dock go; the session ends with the last one.

    Parameters
    ----------
    session : Session
        Its session.
    dock : object
        Who leaves.
    """
    key = id(session.viewer)
    if key not in _sessions:
        return
    docks = _sessions[key][1]
    docks.discard(id(dock))
    if not docks:
        del _sessions[key]
        session.close()
