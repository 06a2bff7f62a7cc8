"""Finding a topology in a user's module, and what is said when it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Tank

GOOD = """
import tankstreams as ts

topology = ts.Topology("app")
topology.stream("in").to("out")

def build():
    other = ts.Topology("built")
    other.stream("in").to("out")
    return other

def failing():
    return 1 / 0

def needs(x):
    return x

number = 3
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A module with a topology, functions and other things."""
    path = tmp_path / "app.py"
    path.write_text(GOOD)
    return path


def test_a_file_is_loaded(tank: Tank, app: Path) -> None:
    """A path to a file gives its ``topology``."""
    result = tank("describe", "app.py")
    assert (result.code, result.err) == (0, "")
    assert "app" in result.out


def test_a_dotted_name_is_loaded_from_here(tank: Tank, tmp_path: Path) -> None:
    """A dotted name is imported as from the current directory."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "orders.py").write_text(GOOD)
    assert tank("describe", "shop.orders").code == 0


def test_a_function_may_build_the_topology(tank: Tank, app: Path) -> None:
    """NAME may be a function that returns a topology."""
    result = tank("describe", "app.py:build", "--format", "json")
    assert result.code == 0
    assert "built" in result.out


def test_a_file_may_import_its_neighbour(tank: Tank, tmp_path: Path) -> None:
    """What lies beside the file can be imported, as with ``python app.py``."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "neighbour_of_app.py").write_text("TOPIC = 'from-next-door'\n")
    (tmp_path / "sub" / "app.py").write_text(
        "import tankstreams as ts\nfrom neighbour_of_app import TOPIC\n"
        "topology = ts.Topology('a')\ntopology.stream(TOPIC).to('out')\n"
    )
    assert "from-next-door" in tank("describe", "sub/app.py").out


def test_a_file_may_have_the_name_of_a_known_module(tank: Tank, tmp_path: Path) -> None:
    """A file called json.py does not hide, and is not hidden by, the module json."""
    (tmp_path / "json.py").write_text(GOOD)
    assert tank("describe", "json.py").code == 0


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("missing.py", "Error: There is no file missing.py: check its name, or start with tankstreams init."),
        ("no.such.module", "Error: There is no module no.such.module: name a Python file such as app.py"),
        ("app.py:nothing", "Error: app.py has no 'nothing': it has topology, so write app.py:topology."),
        ("app.py:number", "Error: app.py:number is of type int, expected a ts.Topology or a function"),
        ("app.py:needs", "Error: app.py:needs cannot be called without arguments"),
        ("app.py:failing", "Error: app.py:failing fails at app.py:13: ZeroDivisionError: division by zero."),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_sentence(tank: Tank, app: Path, target: str, sentence: str) -> None:
    """Exit code 2 and one line on stderr that says what to do."""
    result = tank("describe", target)
    assert result.code == 2
    assert result.err.startswith(sentence)
    assert result.err.count("\n") == 1
    assert result.out == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import tankstreams as ts\n", "Error: bad.py has no 'topology': assign one, topology = ts.Topology(\"name\")"),
        ("x = (\n", "bad.py:1: '(' was never closed"),
        (
            "x = 1\ny = x.nope\n",
            "Error: bad.py fails at bad.py:2: AttributeError: 'int' object has no attribute 'nope'.",
        ),
        ("import no_such_package\n", "Error: bad.py fails at bad.py:1: ModuleNotFoundError: No module named"),
        (
            "import sys\nsys.exit(3)\n",
            "Error: bad.py ended the program while it was imported at bad.py:2: put that under",
        ),
        (
            "import tankstreams as ts\ntopology = ts.Topology('t')\ntopology.stream('in').map(len)\n",
            "bad.py:3: in.map leads nowhere",
        ),
        ("import tankstreams as ts\ntopology = ts.Topology('no spaces')\n", "Error: 'no spaces' cannot name a topic"),
    ],
)
def test_a_module_with_a_mistake_is_said_with_its_line(tank: Tank, tmp_path: Path, text: str, sentence: str) -> None:
    """The user's file and line, in one sentence, exit code 2."""
    (tmp_path / "bad.py").write_text(text)
    result = tank("run", "bad.py")
    assert result.code == 2
    assert sentence in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "tank-data").exists()


def test_debug_adds_the_traceback(tank: Tank, tmp_path: Path) -> None:
    """--debug, anywhere in the command, prints where the error came from; the sentence comes last."""
    (tmp_path / "bad.py").write_text("1 / 0\n")
    result = tank("describe", "bad.py", "--debug")
    assert "Traceback" in result.err
    assert result.err.rstrip().splitlines()[-1].startswith("Error: bad.py fails at bad.py:1")
