"""What the documents show runs: the readme's example, the how-to pages, the tutorial's commands, the examples."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = sorted(ROOT.glob("docs/**/*.md"))
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


def blocks(path: Path, language: str) -> list[str]:
    """Return the code of a page in one language."""
    return [code for kind, code in BLOCK.findall(path.read_text(encoding="utf-8")) if kind == language]


def environment() -> dict[str, str]:
    """Return an environment where ``tankstreams`` is a command and warnings are errors."""
    bin_directory = str(Path(sys.executable).parent)
    path = os.pathsep.join([bin_directory, os.environ.get("PATH", "")])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TANKSTREAMS_")}
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


def run(arguments: list[str], directory: Path) -> str:
    """Run a program and return its stdout; it must end with 0 and say no warning."""
    done = subprocess.run(
        arguments, cwd=directory, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_alone_and_again(path: Path, tmp_path: Path) -> None:
    """Each example runs in an empty directory, prints something, and runs a second time."""
    assert run([sys.executable, str(path)], tmp_path)
    assert run([sys.executable, str(path)], tmp_path)


def test_the_readme_example_counts(tmp_path: Path) -> None:
    """The ten lines of the readme run, and the command below them prints the counts."""
    (code,) = blocks(ROOT / "README.md", "python")
    assert len([line for line in code.splitlines() if line]) <= 10
    (tmp_path / "example.py").write_text(code)
    run([sys.executable, "example.py"], tmp_path)
    (command,) = (line[2:] for line in blocks(ROOT / "README.md", "console")[0].splitlines())
    lines = run(["sh", "-c", command], tmp_path).splitlines()
    assert sorted(lines) == ["be 1", "be 2", "not 1", "or 1", "to 1", "to 2"]


def test_the_readme_begins_with_two_commands() -> None:
    """The first two commands are those of the demo and the tests, and both scripts are there."""
    commands = [shlex.split(line, comments=True) for line in blocks(ROOT / "README.md", "sh")[0].splitlines()]
    assert commands == [["sh", "scripts/demo"], ["sh", "scripts/test"]]
    assert all((ROOT / command[1]).is_file() for command in commands)


@pytest.mark.parametrize("path", HOW_TO, ids=lambda path: path.stem)
def test_the_programs_of_a_how_to_page_run(path: Path, tmp_path: Path) -> None:
    """The Python of a page, from top to bottom as one program."""
    (tmp_path / "page.py").write_text("\n".join(blocks(path, "python")))
    run([sys.executable, "page.py"], tmp_path)


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Every command of the tutorial works, and the results are those that it shows."""
    page = ROOT / "docs" / "tutorial" / "first-topology.md"
    outputs: list[str] = []
    for block in blocks(page, "console"):
        commands = [line[2:] for line in block.splitlines()]
        outputs.append("".join(run(["sh", "-c", command], tmp_path) for command in commands))
    (shown,) = blocks(page, "text")
    assert sorted(outputs[3].splitlines()) == sorted(shown.splitlines())
    assert "bob" in outputs[4].splitlines()[-1] or '"orders":2,"total":11.5' in outputs[4]
    app = re.sub(r"\s", "", (tmp_path / "app.py").read_text())
    (heart,) = blocks(page, "python")
    assert re.sub(r"\s", "", heart) in app


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file of this repository names one."""
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


def test_every_page_is_in_the_index() -> None:
    """docs/README.md names every page."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    missing = [str(page.relative_to(ROOT / "docs")) for page in PAGES if page.name != "README.md"]
    assert [page for page in missing if page not in index] == []
