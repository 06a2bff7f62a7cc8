"""The house rules: which layer may import which, how long a module may be, who may touch files and who may print."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tankstreams"

LAYERS = ("cli", "http", "runtime", "topology", "engines", "log", "errors")
"""Top to bottom: a module may import its own layer and those after it."""

LINES_MAX = 600
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 9

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str | None:
    """Return the layer that a module belongs to; None for what stands outside: testing, the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else None


def imports_of(tree: ast.AST, *, at_run_time: bool = False) -> Iterator[str]:
    """Yield the modules of this package that a module imports; ``at_run_time`` leaves out what only types need."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if at_run_time and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
        if at_run_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("tankstreams"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tankstreams"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_module(inner) else str(node.module)


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Yield what a module calls, as it is written, with the line."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def test_imports_point_down_the_layers() -> None:
    """A module imports its own layer and lower ones, inside functions and for types too."""
    wrong = []
    for path in MODULES:
        layer = layer_of(name_of(path))
        for imported in imports_of(parsed(path)) if layer is not None else ():
            other = layer_of(imported)
            if other is None or LAYERS.index(other) < LAYERS.index(str(layer)):
                wrong.append(f"{name_of(path)} imports {imported}: move what both need down, or pass it in")
    assert wrong == []


def test_no_module_imports_itself_by_a_detour() -> None:
    """What modules import when they are loaded has no cycles."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for path in MODULES:
        for imported in imports_of(parsed(path), at_run_time=True):
            graph.add_edge(name_of(path), imported)
    cycles = [sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1]
    assert cycles == []


def test_no_module_is_over_600_lines() -> None:
    """One noun a module: a long one holds two."""
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > LINES_MAX} == {}


def test_no_function_is_long_or_takes_many_parameters() -> None:
    """70 lines and 9 parameters at most; the options of a command are its command line's, not its own choice."""
    wrong = []
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if layer_of(name_of(path)) == "cli" and node.name.endswith("_command"):
                    continue
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                parameters = len([arg for arg in arguments if arg.arg not in ("self", "cls")])
                if lines > FUNCTION_LINES_MAX or parameters > PARAMETERS_MAX:
                    wrong.append(f"{name_of(path)}.{node.name}: {lines} lines, {parameters} parameters")
    assert wrong == []


def test_only_the_disk_touches_files() -> None:
    """In log/ only disk.py opens files or asks the operating system about them."""
    harmless = (
        "os.getpid",
        "os.urandom",
        "os.path.join",
        "os.path.normpath",
        "os.path.basename",
        "os.path.dirname",
    )
    wrong = [
        f"{name_of(path)}:{line} calls {called}: use the Disk"
        for path in (PACKAGE / "log").glob("*.py")
        if path.name != "disk.py"
        for called, line in calls(path)
        if called == "open" or called.startswith(("os.", "io.", "shutil.", "Path")) and called not in harmless
    ]
    assert wrong == []


def test_only_the_command_line_prints() -> None:
    """Outside cli/ nothing is printed: the package tells by return values, errors and logging."""
    wrong = [
        f"{name_of(path)}:{line} calls {called}"
        for path in MODULES
        if layer_of(name_of(path)) != "cli"
        for called, line in calls(path)
        if called == "print" or called.startswith(("sys.stdout", "sys.stderr"))
    ]
    assert wrong == []


def test_no_object_reaches_into_another() -> None:
    """``_name`` of anything but self, cls and another instance of the same class stays untouched."""
    own = {"self", "cls", "other"}
    documented = {"_replace", "_asdict", "_fields", "_make", "_getframe"}  # public in spite of their names
    wrong = [
        f"{name_of(path)}:{node.lineno} {ast.unparse(node)}"
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in documented
        and not (isinstance(node.value, ast.Name) and node.value.id in own)
    ]
    assert wrong == []


def test_a_broad_except_gives_its_reason() -> None:
    """``except Exception`` and wider carry a comment on their line or the one before."""
    wrong = []
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = "BaseException" if node.type is None else ast.unparse(node.type)
                comment = any("#" in line for line in lines[node.lineno - 2 : node.lineno + 1])
                if caught in ("Exception", "BaseException") and not comment:
                    wrong.append(f"{name_of(path)}:{node.lineno}")
    assert wrong == []
