"""``tankstreams topic``: list, create, describe and delete topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tankstreams.cli.options import JsonOption, LogOption, pairs
from tankstreams.cli.terminal import counted, is_terminal, print_json, print_table, say
from tankstreams.errors import TopicExists, UsageError
from tankstreams.log.address import DEFAULT_LOG

if TYPE_CHECKING:
    from tankstreams.log.topic import TopicInfo

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List, create, describe and delete topics.")

TopicArgument = Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's name.")]


@app.command("list")
def list_command(log: LogOption = DEFAULT_LOG, json: JsonOption = False) -> None:
    """List the topics with their partitions, records and bytes (in a pipe: tab-separated, in this order).

    Example: [bold]tankstreams topic list[/bold]
    """
    from tankstreams.log.sync import open_log_sync

    with open_log_sync(log) as opened:
        rows = [_row(info) for info in opened.topics()]
    if json:
        print_json(rows)
    elif rows or not is_terminal():
        print_table(rows, columns=("topic", "partitions", "records", "bytes"))
    else:
        say(f"{log} has no topics yet: make one with tankstreams topic create NAME --partitions 4.")


@app.command("create")
def create_command(
    name: TopicArgument,
    partitions: Annotated[
        int, typer.Option("--partitions", min=1, help="How many partitions; this cannot be changed later.")
    ],
    config: Annotated[
        list[str] | None,
        typer.Option("--config", metavar="KEY=VALUE", help="A setting of the topic, such as retention_ms=7d."),
    ] = None,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="Leave an existing topic as it is, without an error.")
    ] = False,
    log: LogOption = DEFAULT_LOG,
) -> None:
    """Create a topic.

    Example: [bold]tankstreams topic create orders --partitions 4[/bold]
    """
    from tankstreams.log.sync import open_log_sync

    settings = pairs(config, "--config")
    with open_log_sync(log) as opened:
        try:
            opened.create_topic(name, partitions=partitions, config=settings)
        except TopicExists:
            if not if_not_exists:
                raise
            say(f"Topic {name} exists already.")
            return
    say(f"Created topic {name} with {counted(partitions, 'partition')}.")


@app.command("describe")
def describe_command(name: TopicArgument, log: LogOption = DEFAULT_LOG, json: JsonOption = False) -> None:
    """Show a topic's settings and its partitions: first offset, next offset, bytes.

    Example: [bold]tankstreams topic describe orders --json[/bold]
    """
    from tankstreams.log.sync import open_log_sync

    with open_log_sync(log) as opened:
        info = opened.describe_topic(name)
    rows = [
        {
            "partition": part.partition,
            "first_offset": part.log_start,
            "next_offset": part.high_watermark,
            "bytes": part.size_bytes,
        }
        for part in info.partitions
    ]
    if json:
        print_json({"topic": info.name, "id": info.id, "config": dict(info.config), "partitions": rows})
        return
    if is_terminal():
        print(f"{info.name} (id {info.id})")
        for key, value in info.config.items():
            print(f"  {key} = {value}")
    print_table(rows, columns=("partition", "first_offset", "next_offset", "bytes"))


@app.command("delete")
def delete_command(
    name: TopicArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    log: LogOption = DEFAULT_LOG,
) -> None:
    """Delete a topic and all its records; asks first, and needs --yes in a pipe.

    Example: [bold]tankstreams topic delete orders --yes[/bold]
    """
    import sys

    from tankstreams.log.sync import open_log_sync

    with open_log_sync(log) as opened:
        records = _row(opened.describe_topic(name))["records"]
        if not yes:
            if not is_terminal(sys.stdin):
                raise UsageError(f"Deleting topic {name} destroys {counted(records, 'record')}: add --yes to do it.")
            typer.confirm(f"Delete topic {name} with its {counted(records, 'record')}?", abort=True)
        opened.delete_topic(name)
    say(f"Deleted topic {name} with {counted(records, 'record')}.")


def _row(info: TopicInfo) -> dict[str, Any]:
    return {
        "topic": info.name,
        "partitions": len(info.partitions),
        "records": sum(part.high_watermark - part.log_start for part in info.partitions),
        "bytes": sum(part.size_bytes for part in info.partitions),
    }
