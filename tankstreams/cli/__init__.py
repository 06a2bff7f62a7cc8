"""The command line: ``tankstreams``, ``tank`` and ``python -m tankstreams``. The only place that prints."""

from tankstreams.cli.app import main

__all__ = ["main"]
