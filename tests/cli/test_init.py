"""``tankstreams init``: a first file that works."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Tank


def test_what_init_writes_runs(tank: Tank) -> None:
    """The commands that init prints work as they stand."""
    result = tank("init")
    assert result.code == 0
    assert "tankstreams run app.py --create-topics --until-end" in result.out
    order = '{"customer": "ann", "item": "tea", "price": 3.5}\n'
    assert tank("describe", "app.py").code == 0
    assert tank("produce", "orders", "--format", "json", "--partitions", "4", stdin=order).code == 0
    run = tank("run", "app.py", "--create-topics", "--until-end")
    assert (run.code, run.err.startswith("app: 1 record read and committed, ")) == (0, True)
    assert tank("consume", "spent", "--until-end").out == '{"customer":"ann","orders":1,"total":3.5}\n'


def test_init_takes_the_name_of_the_file(tank: Tank, tmp_path: Path) -> None:
    """The topology is called like its file."""
    assert tank("init", "shop.py").code == 0
    assert 'ts.Topology("shop")' in (tmp_path / "shop.py").read_text()


def test_init_never_overwrites(tank: Tank, tmp_path: Path) -> None:
    """An existing file stays as it is, with exit code 2."""
    (tmp_path / "app.py").write_text("mine")
    result = tank("init")
    assert (result.code, result.err) == (2, "Error: app.py exists already: name another file, nothing was written.\n")
    assert (tmp_path / "app.py").read_text() == "mine"
