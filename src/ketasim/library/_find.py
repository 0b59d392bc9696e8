"""Shelves and packs: which entries there are, and one entry by name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ketasim import sources
from ketasim.arguments import checked
from ketasim.errors import BrokenPack, InvalidEntry, InvalidOption, UnknownEntry, close_names, warn
from ketasim.library._convert import part_from, routes_of
from ketasim.library._modules import ENTRY_POINT_GROUP, allow_code, changed
from ketasim.library._register import CORE_REGISTER, Register, read_register
from ketasim.library._schema import CascadeFile, EntryFile, read
from ketasim.library._words import check_kept, check_registered, check_sources, check_structure
from ketasim.model import Number, Part, Structure
from ketasim.model._scope import local_numbers

ROOT = Path(__file__).parent
#: Shelves that hold models, in the order they are listed.
KINDS = ("pk", "generic", "mechanism")
#: Folders a pack may hold.
_SHELVES = (*KINDS, "cascade", "comedication", "disorder", "scales", "safety", "policy", "drug")

#: Shelf of wholes: several entries under one name.
_WHOLES = "cascade"

_packs: list[Path] = []


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry says of itself, for listings.

    Attributes
    ----------
    name : as `load` takes it, e.g. ``pk/otto2021``. is_addon : extends another model, cannot be dosed alone.
    sources : keys of the bibliography, in order of first use.
    """

    id: str
    kind: str
    title: str
    drug: str
    analytes: tuple[str, ...]
    routes: tuple[str, ...]
    sampling: str
    population: str
    status: str
    revision: int
    sources: tuple[str, ...]
    is_addon: bool
    path: Path

    @property
    def name(self) -> str:
        """Full name: shelf and id."""
        return f"{self.kind}/{self.id}"


@checked
def add_pack(path: str | Path, code: bool = True) -> Path:
    """Use a folder of own entries beside ketasim's: ``pk/*.toml``, ``mechanism/*.toml``, modules ``*.py`` beside them,
    ``names.toml`` for own names and ``sources.bib``.

    Parameters
    ----------
    code : whether its modules may be imported, which runs them. False for a pack of somebody you do not trust: its entries
        may name structures of ketasim's library only.

    Raises
    ------
    UnknownEntry: no such folder, or nothing in it that could be an entry.
    """
    folder = Path(path).expanduser().resolve()
    if not folder.is_dir():
        raise UnknownEntry(
            f"pack '{path}' is no folder. A pack holds pk/*.toml, mechanism/*.toml and, for new equations, *.py beside them."
        )
    if not any((folder / kind).is_dir() for kind in _SHELVES):
        raise UnknownEntry(f"pack '{path}' has none of the folders {', '.join(_SHELVES)}.")
    allow_code(folder, code)
    if folder not in _packs:
        _packs.append(folder)
        _drugs_of(folder, "add_drugs")
        bibliography = folder / "sources.bib"
        if bibliography.is_file():
            sources.add_bibliography(bibliography)
    return folder


@checked
def remove_pack(path: str | Path) -> None:
    """Stop using a pack; no complaint when it was not in use."""
    folder = Path(path).expanduser().resolve()
    if folder in _packs:
        _packs.remove(folder)
        allow_code(folder, True)
        _drugs_of(folder, "remove_drugs")
        sources.remove_bibliography(folder / "sources.bib")


def _drugs_of(folder: Path, verb: str) -> None:
    """Tell the language of doses of a pack's drugs; NumPy comes with it, so only where there are some."""
    if (folder / "drug").is_dir():
        import ketasim.dose

        getattr(ketasim.dose, verb)(folder / "drug")


@checked
@contextmanager
def pack(path: str | Path) -> Generator[Path]:
    """Use a pack inside a ``with`` block."""
    folder = Path(path).expanduser().resolve()
    was_there = folder in _packs
    added = add_pack(folder)
    try:
        yield added
    finally:
        if not was_there:
            remove_pack(folder)


@lru_cache(maxsize=1)
def _installed_packs() -> tuple[Path, ...]:
    """Packs of installed distributions: the entry point is a path, a function giving one, or a package with `pack_path`."""
    found = []
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            thing: Any = point.load()
            thing = getattr(thing, "pack_path", thing)
            folder = Path(thing() if callable(thing) else thing)
        except Exception as error:  # whatever somebody's package does
            warn(
                f"the installed pack '{point.name}' ({point.value}) is left out: {type(error).__name__}: {error}. Mend or uninstall it.",
                BrokenPack,
            )
            continue
        if not folder.is_dir():
            raise UnknownEntry(f"the installed pack '{point.name}' ({point.value}) points to '{folder}', which is no folder.")
        if (folder / "sources.bib").is_file():
            sources.add_bibliography(folder / "sources.bib")
        found.append(folder)
    return tuple(found)


def roots() -> tuple[Path, ...]:
    """Folders that are searched: ketasim's own, installed packs, packs added by hand."""
    return tuple(dict.fromkeys((ROOT, *_installed_packs(), *_packs)))


def register() -> Register:
    """The register of names of ketasim and all packs in use."""
    own = (root / "names.toml" for root in roots()[1:])
    return read_register((CORE_REGISTER, *(file for file in own if file.is_file())))


def files(kind: str) -> dict[str, Path]:
    """Entry id -> file of one shelf, over all roots.

    Raises
    ------
    InvalidEntry: two roots have an entry of the same id.
    """
    found: dict[str, Path] = {}
    for root in roots():
        for path in sorted((root / kind).glob("*.toml")):
            if path.stem in found:
                raise InvalidEntry(
                    f"'{kind}/{path.stem}' stands twice: in {found[path.stem].parents[1]} and in {root}. Rename one."
                )
            found[path.stem] = path
    return found


@checked
def entries(kind: str = "") -> list[Entry]:
    """Entries of one shelf (``pk``, ``generic``, ``mechanism``), or of all.

    Raises
    ------
    UnknownEntry: no such shelf. InvalidEntry: a file breaks the rules.
    """
    if kind and kind not in KINDS:
        raise UnknownEntry(f"the library has no shelf '{kind}'.{close_names(kind, KINDS)} It has: {', '.join(KINDS)}.")
    return [_record(shelf, path) for shelf in ([kind] if kind else KINDS) for path in files(shelf).values()]


def _record(kind: str, path: Path) -> Entry:
    part = _part(path)
    info = part.info
    keys = dict.fromkeys([info["source"], *(number.source for number in part.numbers.values())])
    is_addon = not isinstance(part.mechanism, Structure)
    return Entry(
        part.id, kind, info["title"], info["drug"], info["analytes"], routes_of(part.mechanism), info["sampling"],
        info["population"].get("description", ""), part.status, part.revision, tuple(keys), is_addon, path,
    )  # fmt: skip


def load(name: str) -> Part:
    """Entry by name: ``"otto2021"``, ``"pk/otto2021"`` or ``"generic/two_cmt"``; a revision (``otto2021@1``) is checked.

    Raises
    ------
    UnknownEntry: no entry of that name, or another revision. InvalidEntry: the file breaks the rules of the library.

    Examples
    --------
    >>> load("pk/otto2021").cite
    'otto2021@1'
    """
    if not isinstance(name, str):
        raise UnknownEntry(f"an entry is loaded by its name, e.g. 'pk/otto2021'; got something of type {type(name).__name__}.")
    plain, _, revision = name.partition("@")
    kind, _, entry_id = plain.rpartition("/")
    if kind == _WHOLES:
        raise UnknownEntry(f"'{name}' is a whole of several entries: join them with assemble(*library.parts('{name}')).")
    if kind and kind not in KINDS:
        raise UnknownEntry(
            f"the library has no shelf '{kind}' (from '{name}').{close_names(kind, KINDS)} It has: {', '.join(KINDS)}."
        )
    shelves = [kind] if kind else KINDS
    for shelf in shelves:
        path = files(shelf).get(entry_id)
        if path:
            part = _part(path)
            if revision and revision != str(part.revision):
                raise UnknownEntry(f"'{entry_id}' is in the library with revision {part.revision}, not {revision}.")
            return part
    known = [entry for shelf in shelves for entry in files(shelf)]
    what = {"pk": "PK model", "generic": "generic model", "mechanism": "mechanism"}.get(kind, "entry")
    raise UnknownEntry(f"no {what} '{entry_id}' in the library.{close_names(entry_id, known)} See: ketasim list {kind or 'pk'}")


@checked
def parts(names: str) -> tuple[Part, ...]:
    """Entries by name, several joined by ``+`` (``"otto2021+mechanism/own"``), wholes (``"cascade/human"``) taken apart; raises as `load`."""
    return tuple(part for name in _wanted(names) for part in _parts_of(name))


@checked
def model_id(names: str) -> str:
    """What results cite of the same names: a whole by its own name, ``cascade/human@1``. Empty where no whole is among them."""
    wanted = _wanted(names)
    if not any(_is_whole(name) for name in wanted):
        return ""
    return "+".join(whole(name).cite if _is_whole(name) else load(name).cite for name in wanted)


@dataclass(frozen=True, slots=True)
class Whole:
    """Several entries under one name.

    Attributes
    ----------
    parts : names of the entries, or of other wholes, in order.
    """

    id: str
    title: str
    revision: int
    status: str
    parts: tuple[str, ...]
    note: str

    @property
    def name(self) -> str:
        """As `parts` takes it."""
        return f"{_WHOLES}/{self.id}"

    @property
    def cite(self) -> str:
        """Name with revision."""
        return f"{self.name}@{self.revision}"


@checked
def wholes() -> list[Whole]:
    """All wholes of the library and of the packs in use.

    Raises
    ------
    InvalidEntry: a file breaks the rules.
    """
    return [whole(f"{_WHOLES}/{name}") for name in files(_WHOLES)]


@checked
def whole(name: str) -> Whole:
    """Whole by its name, ``cascade/human``.

    Raises
    ------
    UnknownEntry: no whole of that name, or another revision. InvalidEntry: the file breaks the rules.
    """
    plain, _, revision = name.removeprefix(f"{_WHOLES}/").partition("@")
    known = files(_WHOLES)
    if plain not in known:
        raise UnknownEntry(f"no cascade '{plain}' in the library.{close_names(plain, known)} See: ketasim list cascade")
    found = read(known[plain], CascadeFile, "/".join(known[plain].parts[-3:]))
    if revision and revision != str(found.revision):
        raise UnknownEntry(f"'{found.id}' is in the library with revision {found.revision}, not {revision}.")
    return Whole(found.id, found.title, found.revision, found.status, found.parts, found.note)


def _wanted(names: str) -> list[str]:
    wanted = [name.strip() for name in names.split("+")]
    if not all(wanted):
        raise InvalidOption(f"model '{names}': a name is missing beside '+'. Write e.g. otto2021+mechanism/own.")
    return wanted


def _is_whole(name: str) -> bool:
    return name.startswith(f"{_WHOLES}/")


def _parts_of(name: str, inside: tuple[str, ...] = ()) -> tuple[Part, ...]:
    """Parts of an entry or of a whole; `inside` are the wholes on the way there."""
    if not _is_whole(name):
        return (load(name),)
    if name in inside:
        raise InvalidEntry(f"{inside[0]}: parts name '{name}', which holds itself. Take it out.")
    return tuple(part for inner in whole(name).parts for part in _parts_of(inner, (*inside, name)))


def _part(path: Path) -> Part:
    return _read_part(path, (path.stat().st_mtime_ns, changed(path.parents[1])))


@lru_cache(maxsize=1024)
def _read_part(path: Path, state: Any) -> Part:
    where = "/".join(path.parts[-3:])
    entry, known = read(path, EntryFile, where), register()
    check_registered(entry, known, where)
    check_kept(entry, known, where)
    part = part_from(entry, path, where, _inherited(entry, path, where))
    check_structure(entry, part.mechanism, known, where)
    check_sources(entry, where)
    return part


def _inherited(entry: EntryFile, path: Path, where: str) -> dict[str, Number]:
    """Numbers of the entry named by ``same_as``, in the same shelf; one step only, so that a reader finds them."""
    if not entry.same_as:
        return {}
    known = files(path.parent.name)
    other = known.get(entry.same_as)
    if other is None:
        raise InvalidEntry(f"{where}: same_as names '{entry.same_as}', which is no entry.{close_names(entry.same_as, known)}")
    if other == path or read(other, EntryFile, other.name).same_as:
        raise InvalidEntry(
            f"{where}: same_as names '{entry.same_as}', which itself takes numbers from elsewhere; name the first home."
        )
    return local_numbers(_part(other))


@checked
def pk(name: str) -> Part:
    """Pharmacokinetic model by id, e.g. ``pk("otto2021")``; raises as `load`."""
    return load(f"pk/{name.removeprefix('pk/')}")


@checked
def generic(name: str) -> Part:
    """Generic model by id, e.g. ``generic("two_cmt")``; raises as `load`."""
    return load(f"generic/{name.removeprefix('generic/')}")


@checked
def mechanism(name: str) -> Part:
    """Mechanism by id; raises as `load`."""
    return load(f"mechanism/{name.removeprefix('mechanism/')}")
