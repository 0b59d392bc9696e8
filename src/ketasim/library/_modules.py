"""Python modules of packs: found beside the entries, loaded as one package per pack, read again when a file has changed."""

from __future__ import annotations

import copyreg
import hashlib
import importlib
import re
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from ketasim.errors import InvalidEntry

ENTRY_POINT_GROUP = "ketasim.packs"
_CORE = Path(__file__).parent
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_without_code: set[Path] = set()


def module_of(name: str, path: Path, where: str) -> ModuleType:
    """Module an entry names: a file beside the entry, one from the pack's root, a module of ketasim's library, or one of an
    installed package that declares itself as a pack. No other is imported, as to import a module is to run it.

    Parameters
    ----------
    path : of the entry. where : how messages name it.

    Raises
    ------
    InvalidEntry: there is none, it fails on import, or the pack is used without its code.
    """
    root = path.parents[1]
    if not _DOTTED.fullmatch(name):
        raise InvalidEntry(f"{where}: '{name[:80]}' is no module; write names joined by dots, e.g. 'pk.structures'.")
    relative = f"{name.replace('.', '/')}.py"
    for file in () if root == _CORE else (path.parent / relative, root / relative):
        if file.is_file():
            _check_allowed(root, relative, where)
            return _from_pack(root, file)
    declared = name.partition(".")[0] in installed_packages()
    for full in (f"ketasim.library.{name}", *([name] if declared else [])):
        try:
            return import_module(full)
        except ModuleNotFoundError as error:
            if error.name and not full.startswith(error.name):  # it is there, but it imports something that is not
                raise InvalidEntry(f"{where}: module '{name}' cannot be imported: {error}.") from None
    raise InvalidEntry(
        f"{where}: no module '{name}': neither {relative} in the pack, nor a module of ketasim's library, nor of an installed "
        f"package that declares the entry point '{ENTRY_POINT_GROUP}'. Others are not imported."
    )


def _check_allowed(root: Path, relative: str, where: str) -> None:
    if root in _without_code:
        raise InvalidEntry(
            f"{where}: names {relative} of its pack, which would run as a program, and the pack is used for its data only "
            "(--pack-data). Use it with --pack if you trust who wrote it."
        )


def allow_code(root: Path, allowed: bool) -> None:
    """Whether modules of a pack may be imported."""
    (_without_code.discard if allowed else _without_code.add)(root)


def installed_packages() -> frozenset[str]:
    """Names of installed packages that declare themselves as packs."""
    return frozenset(point.module.partition(".")[0] for point in entry_points(group=ENTRY_POINT_GROUP))


def changed(root: Path) -> tuple[tuple[str, int], ...]:
    """When each module of a pack was last changed, and whether they may run; empty for ketasim's own, which do not change meanwhile."""
    if root == _CORE:
        return ()
    state = tuple((str(file), file.stat().st_mtime_ns) for file in _files(root))
    return (("without code", 1), *state) if root in _without_code else state


def _files(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob("*.py"))
    yield from sorted(root.glob("*/*.py"))


def _from_pack(root: Path, file: Path) -> ModuleType:
    """Module of a pack, under a name that cannot clash and is the same in every process."""
    package = _package(root)
    name = ".".join((package, *file.relative_to(root).with_suffix("").parts))
    try:
        return import_module(name)
    except Exception as error:
        raise InvalidEntry(f"{file.name}: fails on import: {type(error).__name__}: {error}.{_neighbour(error, file)}") from error


def let_travel(cls: type) -> None:
    """Let objects of a pack's class be pickled: another process loads the pack's module before it makes them.

    Other classes are left alone: Python finds them by itself.
    """
    package = sys.modules.get(cls.__module__.partition(".")[0])
    if package is not None and hasattr(package, "__changed__"):
        copyreg.pickle(cls, partial(_packed, package.__path__[0]))


def _packed(root: str, thing: Any) -> tuple[Any, ...]:
    return _unpacked, (root, type(thing).__module__, type(thing).__qualname__, vars(thing))


def _unpacked(root: str, module: str, name: str, state: dict[str, Any]) -> Any:
    _package(Path(root))
    cls = attrgetter(name)(import_module(module))
    thing = cls.__new__(cls)
    vars(thing).update(state)
    return thing


def _package(root: Path) -> str:
    """Name of the package that stands for a pack, so that its modules may import each other; forgotten when a file changes."""
    name, now = f"ketasim_pack_{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}", changed(root)
    known = sys.modules.get(name)
    if known is None or vars(known).get("__changed__") != now:
        for old in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
            del sys.modules[old]
        package = ModuleType(name, f"Modules of the pack '{root.name}'.")
        package.__path__ = [str(root)]
        vars(package)["__changed__"] = now
        sys.modules[name] = package
        importlib.invalidate_caches()
    return name


def _neighbour(error: Exception, file: Path) -> str:
    """What to write instead, where a module imports a file of its folder as if it were installed."""
    first, _, rest = (getattr(error, "name", None) or "").partition(".")
    if not isinstance(error, ModuleNotFoundError) or not first:
        return ""
    if (file.parent / f"{first}.py").is_file():
        return f" {first}.py stands beside it: write 'from .{first} import ...'."
    if (file.parents[1] / first).is_dir():
        return f" For a file of the pack's folder {first}, write 'from ..{first}.{rest or 'NAME'} import ...'."
    return ""
