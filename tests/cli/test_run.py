"""``tankstreams run``: results, settings, and what is said when it cannot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tankstreams as ts
from tests.cli.conftest import Tank

ROOT = Path(__file__).resolve().parent.parent.parent

PRICES = """
import tankstreams as ts

topology = ts.Topology("app")
topology.stream("prices", value=float).map(lambda price: 100 / price, returns=float).to("inverse")
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A topology that cannot take zeros or words."""
    path = tmp_path / "app.py"
    path.write_text(PRICES)
    return path


def start(*arguments: str, directory: Path) -> subprocess.Popen[str]:
    """Start the real command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tankstreams", *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_to_the_end_says_what_it_did(tank: Tank, app: Path) -> None:
    """Results are in the topic; a second run has nothing to do."""
    tank("produce", "prices", "--partitions", "1", stdin="4\n8\n")
    result = tank("run", "app.py", "--until-end", "--create-topics")
    assert (result.code, result.out) == (0, "")
    assert result.err == "app: 2 records read and committed, 2 written.\n"
    assert tank("consume", "inverse", "-e").out == "25.0\n12.5\n"
    assert tank("run", "app.py", "--until-end").err == "app: nothing to do, everything is committed already.\n"


def test_a_missing_source_is_not_created_silently(tank: Tank, app: Path, tmp_path: Path) -> None:
    """The sentence gives the exact command, and nothing is created."""
    result = tank("run", "app.py", "--until-end")
    assert result.code == 1
    assert "tankstreams topic create prices --partitions 4" in result.err
    assert result.err.count("\n") == 1
    assert tank("topic", "list").out == ""


def test_a_record_that_does_not_decode_is_named(tank: Tank, app: Path) -> None:
    """Topic, partition, offset and what to do; what came before it is committed."""
    tank("produce", "prices", "--partitions", "1", stdin="4\ncheap\n8\n")
    result = tank("run", "app.py", "--until-end", "--create-topics")
    assert result.code == 1
    assert "prices[0] at offset 1" in result.err
    assert "on_error" in result.err
    assert result.err.count("\n") == 1
    assert tank("consume", "inverse", "-e").out == "25.0\n"


def test_a_function_that_raises_is_named(tank: Tank, app: Path) -> None:
    """The node, the user's line and the error."""
    tank("produce", "prices", "--partitions", "1", stdin="4\n0\n8\n")
    result = tank("run", "app.py", "--until-end", "--create-topics")
    assert result.code == 1
    assert "app.py:5" in result.err
    assert "ZeroDivisionError" in result.err
    assert tank("consume", "inverse", "-e").out == "25.0\n"


@pytest.mark.parametrize(
    ("function", "word"), [("lambda price: float('nan')", "nan"), ("lambda price: 'text'", "str")], ids=["nan", "type"]
)
def test_a_function_that_returns_what_it_must_not_is_named(
    tank: Tank, tmp_path: Path, function: str, word: str
) -> None:
    """NaN and a value of another type than declared stop the run, or go where on_error says."""
    (tmp_path / "app.py").write_text(PRICES.replace("lambda price: 100 / price", function))
    tank("produce", "prices", "--partitions", "1", stdin="4\n")
    result = tank("run", "app.py", "--until-end", "--create-topics")
    assert result.code == 1
    assert "prices[0] at offset 0" in result.err
    assert word in result.err.lower()
    assert tank("consume", "inverse", "-e").out == ""


def test_settings_are_overridden_by_environment_and_command_line(
    tank: Tank, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--set comes before TANKSTREAMS_*, which comes before the topology's keywords."""
    tank("produce", "prices", "--partitions", "1", stdin="0\n4\n")
    monkeypatch.setenv("TANKSTREAMS_ON_ERROR", "fail")
    assert tank("run", "app.py", "--until-end", "--create-topics").code == 1
    result = tank("run", "app.py", "--until-end", "--create-topics", "--set", "on_error=dead-letter:dead")
    assert result.code == 0
    (dead,) = (json.loads(line) for line in tank("consume", "dead", "-e", "--format", "record").out.splitlines())
    assert dead["value"] == "0"
    assert tank("consume", "inverse", "-e").out == "25.0\n"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("nope=1", "There is no setting 'nope': the settings are commit_interval_ms, default_partitions, on_error"),
        ("commit_interval_ms=soon", "commit_interval_ms is a whole number"),
        ("strict_names=perhaps", "strict_names is true or false"),
        ("nothing", "--set takes KEY=VALUE"),
    ],
)
def test_a_setting_that_is_not_there_is_refused(tank: Tank, app: Path, setting: str, sentence: str) -> None:
    """One sentence that lists what there is, exit code 2."""
    result = tank("run", "app.py", "--set", setting)
    assert result.code == 2
    assert sentence in result.err
    assert result.err.count("\n") == 1


def test_a_bad_variable_is_named(tank: Tank, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence begins with the variable."""
    monkeypatch.setenv("TANKSTREAMS_DEFAULT_PARTITIONS", "many")
    result = tank("run", "app.py", "--until-end")
    assert (result.code, result.err.startswith("Error: TANKSTREAMS_DEFAULT_PARTITIONS: ")) == (2, True)


def test_several_workers_come_later(tank: Tank, app: Path) -> None:
    """--workers takes 1 only, and says so."""
    result = tank("run", "app.py", "--workers", "2")
    assert (result.code, "workers must be 1 in this release" in result.err) == (2, True)


def test_the_owner_of_a_directory_is_named(tank: Tank, tmp_path: Path) -> None:
    """Another process has it open: its pid, exit code 1."""
    tank("topic", "create", "t", "--partitions", "1")
    tank("produce", "t", stdin="x\n")
    owner = start("consume", "t", directory=tmp_path)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "x\n"
        result = tank("topic", "list")
        assert result.code == 1
        assert f"in use by process {owner.pid}" in result.err
        assert result.err.count("\n") == 1
    finally:
        owner.kill()
        owner.communicate()
    assert tank("topic", "list").code == 0


def test_a_directory_that_cannot_be_written_is_said(tank: Tank, tmp_path: Path) -> None:
    """A file in its place, and where nobody may write; no traceback, exit code 1."""
    (tmp_path / "file").write_text("")
    places = ["./file", "/proc/tank"] if sys.platform == "linux" else ["./file"]
    for place in places:
        result = tank("topic", "create", "t", "--partitions", "1", "--log", place)
        assert result.code == 1
        assert place in result.err
        assert "mistake in tankstreams" not in result.err
        assert result.err.count("\n") == 1


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Let this process read ``directory`` and not write it; root writes everywhere, so it is nobody for a while."""
    paths = [directory, *directory.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_read_only_directory_is_said(tank: Tank) -> None:
    """A log that may be read and not written: one sentence, and what it holds stays."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)  # others must be able to come this far
        log = f"{place}/log"
        assert tank("produce", "t", "--partitions", "1", "--log", log, stdin="x\n").code == 0
        with read_only(Path(log)):
            result = tank("produce", "t", "--log", log, stdin="y\n")
        assert result.code == 1
        assert log in result.err
        assert "mistake in tankstreams" not in result.err
        assert result.err.count("\n") == 1
        assert tank("consume", "t", "-e", "--log", log).out == "x\n"


def test_an_interrupt_commits_and_leaves(tank: Tank, tmp_path: Path) -> None:
    """The first SIGINT ends a run that would go on for ever, with exit code 0; the next run has nothing to do."""
    (tmp_path / "app.py").write_text(
        "import tankstreams as ts\n"
        "topology = ts.Topology('app')\n"
        "topology.stream('t', value=str).foreach(lambda value: print(value, flush=True))\n"
    )
    tank("produce", "t", "--partitions", "1", stdin="x\n")
    running = start("run", "app.py", directory=tmp_path)
    assert running.stdout is not None
    assert running.stdout.readline() == "x\n"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "app: 1 record read and committed, 0 written.\n")
    assert tank("run", "app.py", "--until-end").out == ""


def test_a_closed_pipe_ends_quietly(tank: Tank, tmp_path: Path) -> None:
    """Whoever reads the output may leave: no error, no traceback."""
    with ts.open_log_sync(durability="os") as log:
        log.create_topic("t")
        log.produce("t", [b"x" * 100] * 100_000)
    reading = start("consume", "t", "-e", directory=tmp_path)
    assert reading.stdout is not None
    reading.stdout.readline()
    reading.stdout.close()
    assert reading.stderr is not None
    with reading.stderr:
        assert (reading.stderr.read(), reading.wait(30)) == ("", 0)


def test_the_version_is_that_of_the_package(tank: Tank) -> None:
    """--version."""
    assert tank("--version").out == f"tankstreams {ts.__version__}\n"


@pytest.mark.parametrize(
    "command",
    [(), ("run",), ("describe",), ("init",), ("topic",), ("topic", "create"), ("produce",), ("consume",)],
    ids=lambda command: "-".join(command) or "tankstreams",
)
def test_every_command_has_help_with_an_example(tank: Tank, command: tuple[str, ...]) -> None:
    """--help everywhere; each command shows one line to copy."""
    result = tank(*command, "--help")
    assert result.code == 0
    assert "tankstreams" in result.out
    assert "Example:" in result.out or command in ((), ("topic",))


@pytest.mark.parametrize("arguments", [(), ("nope",), ("run",), ("topic", "create", "t"), ("consume", "t", "--nope")])
def test_a_wrong_command_line_ends_with_2(tank: Tank, arguments: tuple[str, ...]) -> None:
    """Usage errors have exit code 2; without arguments the help is shown."""
    assert tank(*arguments).code == 2
