"""The scale spaces of the images that were looked at last."""

from __future__ import annotations

from napari_tvflow.model.jobs import Job
from napari_tvflow.model.settings import FlowSettings
from napari_tvflow.model.source import Source
from napari_tvflow.model.space_entry import SpaceEntry

# As many images of one layer keep their space: going back and forth between slices costs nothing.
MOST = 3


class SpaceCache:
    """
    Makes scale spaces, one at a time, and keeps the last few.

    Attributes
    ----------
    current : SpaceEntry or None
        The one that is looked at.
    run : Job or None
        Work on the whole layer, which goes before the spaces.
    token : int
        Grows whenever all that was known has become worthless.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[int, ...], SpaceEntry] = {}
        self._last_job: Job | None = None
        self.current: SpaceEntry | None = None
        self.run: Job | None = None
        self.token = 0

    def forget(self) -> None:
        """Stop the worker and drop all spaces: the layer or what is asked for has changed."""
        self.pause()
        self._entries.clear()
        self.current = None
        self.token += 1

    def leave_layer(self) -> None:
        """Go to another layer, whose work need not wait for that of this one."""
        self.forget()
        self.run = self._last_job = None

    def look_at(self, source: Source, key: tuple[int, ...], settings: FlowSettings) -> SpaceEntry:
        """
        Return the space of an image, and let a worker improve it if that is needed.

        Parameters
        ----------
        source : Source
            The layer; always the same one until `forget`.
        key : tuple of int
            Which of its separate images.
        settings : FlowSettings
            How to compute.

        Returns
        -------
        SpaceEntry
            The space, perhaps still empty.
        """
        entry = self._entries.pop(key, None) or SpaceEntry(source, key, settings)
        entry.settings = settings
        self._entries[key] = entry
        while len(self._entries) > MOST:
            del self._entries[next(iter(self._entries))]
        if self.current is not entry:
            self.pause()
            self.current = entry
        self._improve(entry)
        return entry

    def begin_run(self, job: Job) -> None:
        """
        Let work on the whole layer go before the spaces.

        Parameters
        ----------
        job : Job
            The work, which waits for `last_job` and is not yet started.
        """
        self.pause()
        self.run = job

    def pause(self) -> None:
        """Stop the worker; what it has found is kept."""
        if self.current is not None and self.current.job is not None:
            self.current.job.cancel()

    @property
    def last_job(self) -> Job | None:
        """The work that others on this layer have to wait for."""
        running = self.run is not None and not self.run.has_ended
        return self.run if running else self._last_job

    def _improve(self, entry: SpaceEntry) -> None:
        job = entry.job
        if job is not None and not job.is_cancelled and (entry.is_working or job.error):
            return
        if entry.is_finished:
            return
        entry.job = Job(entry.work, entry.source.name, self.last_job).start()
        self._last_job = entry.job
