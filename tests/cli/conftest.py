"""The real command line, called as a function in a directory of its own."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tankstreams.cli import main


class Result(NamedTuple):
    """How a command ended: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


Tank = Callable[..., Result]


@pytest.fixture
def tank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Tank]:
    """Run ``tankstreams ARGUMENTS`` in an empty directory; ``stdin`` is text or bytes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TANKSTREAMS_LOG", raising=False)
    modules, path, environment = dict(sys.modules), list(sys.path), dict(os.environ)

    def run(*arguments: str, stdin: str | bytes = b"") -> Result:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        capfd.readouterr()
        code = main(arguments)
        out, err = capfd.readouterr()
        return Result(code, out, err)

    yield run
    # What the user's modules left behind: another test has another app.py.
    for name in set(sys.modules) - set(modules):
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]
    sys.path[:] = path
    for name in set(os.environ) - set(environment):
        del os.environ[name]
