"""Progress of long work on a terminal's stderr; in a pipe nothing but the closing line."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from tankstreams.runtime.progress import Progress as RunProgress

__all__ = ["BytesProgress", "RunDisplay"]


class RunDisplay:
    """Shows how far a run is; call it with what `run` reports."""

    def __init__(self) -> None:
        self.last: RunProgress | None = None
        self._bar = _bar() if sys.stderr.isatty() else None
        self._finishing = False

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("starting", total=None, counts="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, now: RunProgress) -> None:
        if now.read or not now.restored:
            self.last = now
        if self._bar is None:
            return
        if now.restored and not now.read:
            self._bar.update(self._task, description="restoring", counts=f"{now.restored:,} entries")
            return
        counts = f"{now.read:,} read, {now.written:,} written"
        if now.skipped:
            counts += f", {now.skipped:,} skipped"
        if now.total is not None and now.read >= now.total and not self._finishing:
            # All input is read; what the topology wrote to itself on the way is still to be worked off.
            self._finishing = True
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task("finishing", total=None, counts=counts)
        elif self._finishing:
            self._bar.update(self._task, counts=counts)
        else:
            self._bar.update(self._task, description="reading", completed=now.read, total=now.total, counts=counts)


class BytesProgress:
    """Shows how much of a file is read and how many records are produced."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source = source
        self._bar = _bar()
        self._task = self._bar.add_task("producing", total=size, counts="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, records: int) -> None:
        """Show that ``records`` are produced of what was read so far."""
        self._bar.update(self._task, completed=self._source.tell(), counts=f"{records:,} records")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[counts]}"),
        console=Console(stderr=True),
        # What the user's functions print goes where it always goes.
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    )
