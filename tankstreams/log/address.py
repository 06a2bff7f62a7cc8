"""The address of a log: which one a text names, and whether its directory may be made."""

from __future__ import annotations

import os
import re

from tankstreams.errors import ConfigError

__all__ = ["DEFAULT_LOG", "directory_of", "may_create"]

DEFAULT_LOG = "./tank-data"
"""The directory that is used, and made, when nobody names a log."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def directory_of(log: str) -> str:
    """Return the directory that ``log`` names; `ConfigError` for an address that is not a directory."""
    if not log:
        raise ConfigError(f"The log's address is empty: name a directory, such as {DEFAULT_LOG}.", key="log")
    match = _SCHEME.match(log)
    if match is None:
        return log
    scheme = match[1].lower()
    if scheme in ("tank", "kafka"):
        what = "a broker" if scheme == "tank" else "an Apache Kafka cluster"
        raise ConfigError(
            f"{log} is the address of {what}, which comes in a later release: name a directory, such as {DEFAULT_LOG}.",
            key="log",
            value=log,
        )
    raise ConfigError(
        f"{log} has the unknown scheme {scheme!r}: name a directory, such as {DEFAULT_LOG}.",
        key="log",
        value=log,
    )


def may_create(directory: str) -> bool:
    """Whether a missing ``directory`` may be made unasked: the default one, or one that is plainly a path.

    A bare word such as ``prod`` is more likely a slip than a wish for a new directory.
    """
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    return os.path.normpath(directory) == os.path.normpath(DEFAULT_LOG) or any(s in directory for s in separators)
