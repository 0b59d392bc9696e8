"""DuckDB over the tables: a file in the cache, built on first use, built anew when the data change; in memory where none can be kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.cache import cache_directory
from ketasim.errors import InvalidData
from ketasim.evidence._schema import ALIASES

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.evidence._evidence import Evidence

#: Raised whenever what is stored changes for equal data.
_VERSION = 3
#: Built files kept in the cache; the oldest go first.
_KEPT = 8
#: A query that takes longer is stopped, s.
LONGEST_QUERY = 15.0
#: After which it is left to itself, s.
_GRACE = 2.0
#: Pieces of 2,048 rows of an answer, at most.
_CHUNKS = 500
_OPTIONS = {"enable_external_access": "false", "memory_limit": "2GB"}


def run(evidence: Evidence, query: str) -> pd.DataFrame:
    """Rows of a query; anything but a query is refused."""
    import duckdb

    _only_reads(query)
    try:
        path = built(evidence)
    except (duckdb.IOException, OSError):  # no room, or no place to write
        return _ask_in_memory(evidence, query)
    try:
        return _ask(path, query)
    except (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException):
        path.unlink(missing_ok=True)  # damaged: built anew, once
        return _ask(built(evidence), query)


def _only_reads(query: str) -> None:
    import duckdb

    try:
        kinds = [statement.type for statement in duckdb.extract_statements(query)]
    except duckdb.Error as error:
        raise _refused(error) from None
    allowed = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    if len(kinds) != 1 or kinds[0] not in allowed:
        asked = " and ".join(str(kind).rpartition(".")[2].lower() for kind in kinds) or "nothing"
        raise InvalidData(
            f"sql: one query that reads is allowed (select, with, from, describe, summarize, show); this asks for {asked}. "
            "The evidence base is read-only; to add rows, keep tables of your own and give their folder with --evidence."
        )


def _ask(path: Path, query: str) -> pd.DataFrame:
    return _answer(connect(path), query)


def _ask_in_memory(evidence: Evidence, query: str) -> pd.DataFrame:
    import duckdb

    connection = duckdb.connect(config=_OPTIONS)
    _fill(connection, evidence)
    return _answer(connection, query)


def _answer(connection: Any, query: str) -> pd.DataFrame:
    """The answer, if it comes in time and is a table of plain values; the connection is closed then."""
    import duckdb

    said: queue.SimpleQueue[tuple[pd.DataFrame | None, BaseException | None]] = queue.SimpleQueue()
    # A thread of its own: DuckDB does not hear an interrupt while it makes one huge value. Such a query is left to itself.
    threading.Thread(target=_fetch, args=(connection, query, said), name="ketasim query", daemon=True).start()
    rows, error = None, None
    for wait in (LONGEST_QUERY, _GRACE):
        try:
            rows, error = said.get(timeout=wait)
            break
        except queue.Empty:
            connection.interrupt()
    if rows is not None:
        return _plain(rows)
    if error is None or isinstance(error, duckdb.InterruptException):
        raise InvalidData(f"sql: no answer within {LONGEST_QUERY:g} s, so the query was stopped. Ask for less.") from None
    if isinstance(error, (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)):
        raise error  # of the file, not of the query
    if isinstance(error, (duckdb.Error, MemoryError)):
        raise _refused(error) from None
    raise error


def _fetch(connection: Any, query: str, said: queue.SimpleQueue[tuple[pd.DataFrame | None, BaseException | None]]) -> None:
    """Say the rows of a query, or what went wrong."""
    rows, error = None, None
    try:
        with contextlib.closing(connection):
            rows = connection.execute(query).fetch_df_chunk(_CHUNKS)
            if len(connection.fetch_df_chunk(1)):
                count, rows = len(rows), None
                raise InvalidData(f"sql: the answer has more than {count:,} rows. Add a limit, or ask for counts.")
    except BaseException as raised:
        error = raised
    said.put((rows, error))


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """The answer with lists and records as text, which a table can show.

    Raises
    ------
    InvalidData: no columns.
    """
    if not len(rows.columns):
        raise InvalidData("sql: the query gives no table. See: ketasim evidence sql 'show tables'.")
    for name in rows.columns:
        if any(not isinstance(value, (str, bytes, type(None))) and hasattr(value, "__len__") for value in rows[name].head(1000)):
            rows[name] = [value if value is None else str(value) for value in rows[name]]
    return rows


def _refused(error: Exception) -> InvalidData:
    lines = [line for line in str(error).strip().splitlines() if line.strip()] or ["out of memory."]
    hint = next((f" {line.strip()}" for line in lines[1:] if "did you mean" in line.lower() or "candidate" in line.lower()), "")
    return InvalidData(f"sql: {lines[0]}{hint} See: ketasim evidence sql 'show tables'.")


def connect(path: Path) -> Any:
    """Read-only connection to a built database; it reads and writes no other file."""
    import duckdb

    return duckdb.connect(str(path), read_only=True, config=_OPTIONS)


def built(evidence: Evidence) -> Path:
    """The database file of these tables, built if it is not there or cannot be opened."""
    import duckdb

    path = cache_directory() / f"evidence_{fingerprint(evidence)}.duckdb"
    if path.is_file():
        try:
            connect(path).close()
            return path
        except duckdb.Error:
            path.unlink(missing_ok=True)
    _build(evidence, path)
    return path


def fingerprint(evidence: Evidence) -> str:
    """Short name of the content: other rows, another name."""
    import duckdb

    digest = hashlib.sha256(f"{_VERSION} {duckdb.__version__}".encode())
    for name in evidence.names:
        digest.update(repr((name, evidence.rows(name), list(evidence.table(name)["origin"]))).encode())
    return digest.hexdigest()[:20]


def _build(evidence: Evidence, path: Path) -> None:
    """Into a temporary file first, so that another process never sees half of it."""
    import duckdb

    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    temporary.unlink()
    try:
        with contextlib.closing(duckdb.connect(str(temporary))) as connection:
            _fill(connection, evidence)
        temporary.replace(path)
    finally:
        for left in (temporary, temporary.with_name(f"{temporary.name}.wal")):
            left.unlink(missing_ok=True)
    _prune(path)


def _fill(connection: Any, evidence: Evidence) -> None:
    for table in evidence.names:
        connection.register("incoming", evidence.table(table).replace("", None))
        connection.execute(f'create table "{table}" as select * from incoming')
        connection.unregister("incoming")
    for alias, table in ALIASES.items():
        connection.execute(f'create view "{alias}" as select * from "{table}"')


def _prune(path: Path) -> None:
    files = sorted(path.parent.glob("evidence_*.duckdb"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in files[_KEPT:]:
        if old != path:
            old.unlink(missing_ok=True)
