"""``tankstreams run``: run a topology over a log."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from tankstreams.cli.options import LogOption, pairs
from tankstreams.cli.terminal import counted, say
from tankstreams.log.address import DEFAULT_LOG

if TYPE_CHECKING:
    from tankstreams.runtime.progress import Progress

__all__ = ["ModuleArgument", "run_command"]

ModuleArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODULE[:NAME]",
        help="A Python file or a dotted module name, and in it the topology's name (default: topology), which may be a"
        " function that returns it.",
    ),
]


def run_command(
    module: ModuleArgument,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Read what the source topics hold now, then leave.")
    ] = False,
    create_topics: Annotated[
        bool, typer.Option("--create-topics", help="Create source and result topics that are missing.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a setting of the topology, such as commit_interval_ms=1000.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes to run; only 1 in this release.")] = 1,
    log: LogOption = DEFAULT_LOG,
) -> None:
    """Run a topology until Ctrl-C, which commits and leaves; a second Ctrl-C leaves at once.

    What a run has committed is never lost nor done twice: the next run goes on from there.

    Example: [bold]tankstreams run app.py --create-topics --until-end[/bold]
    """
    from tankstreams.cli.loading import load_topology
    from tankstreams.cli.progress import RunDisplay
    from tankstreams.runtime.configuration import variable_of
    from tankstreams.runtime.run import run

    topology = load_topology(module)
    overrides = pairs(set_, "--set")
    topology.settings.override(overrides)  # says what is wrong with them
    # Whoever runs the topology reads its settings from the environment.
    os.environ.update({variable_of(key): value for key, value in overrides.items()})
    with RunDisplay() as display:
        run(
            topology,
            log=log,
            until_end=until_end,
            create_topics=create_topics,
            workers=workers,
            progress=display,
        )
    say(_summary(topology.name, display.last))


def _summary(name: str, last: Progress | None) -> str:
    if last is None:
        return f"{name}: nothing to do, everything is committed already."
    skipped = f", {last.skipped:,} skipped" if last.skipped else ""
    return f"{name}: {counted(last.committed, 'record')} read and committed, {last.written:,} written{skipped}."
