"""``tankstreams describe``: draw a topology."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import typer

from tankstreams.cli.run import ModuleArgument
from tankstreams.cli.terminal import is_terminal
from tankstreams.errors import UsageError

__all__ = ["describe_command"]

FORMATS = ("tree", "mermaid", "dot", "json")


def describe_command(
    module: ModuleArgument,
    format: Annotated[str, typer.Option("--format", metavar="|".join(FORMATS), help="How to draw it.")] = "tree",
) -> None:
    """Draw a topology: what flows where, where state is kept, where records are repartitioned.

    Example: [bold]tankstreams describe app.py[/bold]

    Example: [bold]tankstreams describe app.py --format mermaid[/bold]
    """
    from tankstreams.cli.loading import load_topology

    if format not in FORMATS:
        raise UsageError(f"--format takes {', '.join(FORMATS)}, not {format!r}.")
    topology = load_topology(module)
    text = topology.describe(cast(Literal["tree", "mermaid", "dot", "json"], format))
    if format == "tree" and is_terminal():
        _print_coloured(text)
    else:
        print(text.rstrip("\n"))


def _print_coloured(tree: str) -> None:
    """Print the tree with colours for topics, for what keeps state and for what is repartitioned."""
    from rich.console import Console
    from rich.highlighter import RegexHighlighter
    from rich.theme import Theme

    class Tree(RegexHighlighter):
        base_style = "tank."
        highlights = [
            r"(?P<line>[─│├└┬┼╭╰╌]+)",
            r"(?m)^(?P<part>part \d+)",
            r"(?P<topic>[○●] .*?)(?=: | \[|$)",
            r"(?P<state>[◫▣] .*?)(?=: |  \[|$)",
            r"(?P<cut>⇉ .*)$",
            r"(?P<slow>↻.*?)(?=  |$)",
            r"(?P<detail>  [\[(].*[\])])$",
        ]

    theme = Theme(
        {
            "tank.line": "dim",
            "tank.part": "bold",
            "tank.topic": "bold cyan",
            "tank.state": "green",
            "tank.cut": "magenta",
            "tank.slow": "yellow",
            "tank.detail": "dim",
        }
    )
    console = Console(theme=theme, highlighter=Tree(), soft_wrap=True)
    for line in tree.rstrip("\n").splitlines():
        console.print(line, markup=False)
