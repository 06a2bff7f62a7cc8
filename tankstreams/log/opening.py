"""Opening a log: from its address to a core over the real disk and clock, or over those of a test."""

from __future__ import annotations

import os

from tankstreams.errors import ConfigError, DirectoryError
from tankstreams.log.address import directory_of, may_create
from tankstreams.log.clock import SystemClock
from tankstreams.log.core import LogCore
from tankstreams.log.disk import Disk, RealDisk
from tankstreams.log.settings import Durability

__all__ = ["make_core"]


def make_core(
    log: str, *, durability: Durability = "sync", create: bool | None = None, disk: Disk | None = None
) -> LogCore:
    """Return the core of the log at ``log``, not started.

    ``create`` says whether a missing directory is made; None leaves it to `may_create`. Raises `DirectoryError` when
    it is missing and must not be made.
    """
    if durability not in ("sync", "interval", "os"):
        raise ConfigError(
            f"durability must be one of 'sync', 'interval', 'os', not {durability!r}.",
            key="durability",
            value=durability,
        )
    directory = directory_of(log)
    disk = RealDisk() if disk is None else disk
    allowed = may_create(directory) if create is None else create
    if not allowed and not disk.exists(directory):
        raise DirectoryError(
            f"There is no directory {directory}: check its name, or write .{os.sep}{directory} to make it."
            if create is None
            else f"There is no directory {directory}: check its name, or let it be made with create=True."
        )
    return LogCore(directory, disk=disk, clock=SystemClock(), durability=durability)
