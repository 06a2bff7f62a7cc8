"""Options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from tankstreams.errors import UsageError

__all__ = ["JsonOption", "LogOption", "pairs"]

LogOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--log",
        envvar="TANKSTREAMS_LOG",
        metavar="DIRECTORY",
        help="The log: a directory. It is made when it is ./tank-data or contains a path separator.",
    ),
]

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Split ``K=V`` arguments; raises `UsageError` for one without a key or a ``=``."""
    split: dict[str, str] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} takes KEY=VALUE, not {text!r}.")
        split[key] = value
    return split
