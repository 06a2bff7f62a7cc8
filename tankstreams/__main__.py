"""``python -m tankstreams`` is the command ``tankstreams``."""

from tankstreams.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
