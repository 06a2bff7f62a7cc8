"""Loading a topology from a user's module: ``app.py``, ``app.py:orders``, ``package.app:build``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import PurePath
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from tankstreams.errors import TankstreamsError, UsageError

if TYPE_CHECKING:
    from tankstreams.topology.topology import Topology

__all__ = ["load_topology"]

DEFAULT_NAME = "topology"

R = TypeVar("R")


def load_topology(target: str) -> Topology:
    """Import ``MODULE[:NAME]`` and return its topology, checked.

    MODULE is a file or a dotted name, NAME (default ``topology``) a `Topology` or a function without parameters that
    returns one. Raises `UsageError` when there is none, or when the module fails; `TopologyError` when it is wrong.
    """
    from tankstreams.topology.topology import Topology

    module_name, name = _split(target)
    module = _import(module_name)
    if not hasattr(module, name):
        raise UsageError(_nothing_named(module, module_name, name, Topology))
    found = getattr(module, name)
    if not isinstance(found, Topology) and callable(found):
        found = _call(found, module_name, name)
    if not isinstance(found, Topology):
        raise UsageError(
            f"{module_name}:{name} is of type {type(found).__name__}, expected a ts.Topology or a function that returns"
            " one."
        )
    found.check()
    return found


def _split(target: str) -> tuple[str, str]:
    module, colon, name = target.rpartition(":")
    # A colon may belong to the path (a Windows drive): what follows it must look like a name.
    return (module, name) if colon and name.isidentifier() else (target, DEFAULT_NAME)


def _import(target: str) -> ModuleType:
    if target.endswith(".py") or os.sep in target or os.path.isfile(target):
        return _import_file(target)
    directory = os.getcwd()
    if directory not in sys.path:
        sys.path.insert(0, directory)
    parents = {target.rsplit(".", depth)[0] for depth in range(target.count(".") + 1)}
    try:
        return _guarded(lambda: importlib.import_module(target), target)
    except ModuleNotFoundError as error:
        if error.name not in parents:
            raise UsageError(_failed(error, target)) from error
        raise UsageError(
            f"There is no module {target}: name a Python file such as app.py, or a module that can be imported from"
            " here."
        ) from error


def _import_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise UsageError(f"There is no file {path}: check its name, or start with tankstreams init.")
    # As with `python app.py`: what lies beside the file can be imported.
    directory = os.path.dirname(os.path.abspath(path))
    if directory not in sys.path:
        sys.path.insert(0, directory)
    stem = PurePath(path).stem
    # Classes look their module up by name, so it is registered; never in place of another module.
    name = stem if stem not in sys.modules and stem not in sys.stdlib_module_names else f"topology_file_{stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file: its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader
    try:
        _guarded(lambda: loader.exec_module(module), path)
    except ModuleNotFoundError as error:
        raise UsageError(_failed(error, path)) from error
    return module


def _call(build: Callable[[], Any], module: str, name: str) -> Any:
    try:
        inspect.signature(build).bind()
    except TypeError as error:
        raise UsageError(
            f"{module}:{name} cannot be called without arguments ({error}): give them defaults."
        ) from error
    return _guarded(build, f"{module}:{name}")


def _guarded(call: Callable[[], R], what: str) -> R:
    """Run the user's code; what it raises becomes one sentence, our own errors and missing modules pass."""
    try:
        return call()
    except (TankstreamsError, ModuleNotFoundError):
        raise
    except SystemExit as error:
        raise UsageError(
            f"{what} ended the program while it was imported{_line(error, what)}: put that under"
            ' if __name__ == "__main__".'
        ) from error
    except Exception as error:  # a user's module may raise anything
        raise UsageError(_failed(error, what)) from error


def _failed(error: Exception, what: str) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename or what}:{error.lineno}: {error.msg}: mend the file and try again."
    return f"{what} fails{_line(error, what)}: {type(error).__name__}: {error}."


def _line(error: BaseException, what: str) -> str:
    """Name the line in the user's code where it happened, the importer's frames left out."""
    house = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen importlib", house)) and os.sep + "importlib" not in frame.filename
    ]
    if not frames:
        return ""
    file = what.rpartition(":")[0] or what
    mine = [frame for frame in frames if os.path.abspath(file) == os.path.abspath(frame.filename)]
    last = (mine or frames)[-1]
    return f" at {os.path.relpath(last.filename)}:{last.lineno}"


def _nothing_named(module: ModuleType, target: str, name: str, kind: type[object]) -> str:
    others = sorted(key for key, value in vars(module).items() if isinstance(value, kind))
    if others:
        return f"{target} has no {name!r}: it has {', '.join(others)}, so write {target}:{others[0]}."
    return f'{target} has no {name!r}: assign one, {name} = ts.Topology("name"), or name another after a colon.'
