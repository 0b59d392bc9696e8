"""DuckDB over the tables: a file in the cache, built on first use, built anew when the data change."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.cache import cache_directory
from ketasim.errors import InvalidData
from ketasim.evidence._schema import ALIASES

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.evidence._evidence import Evidence

#: Raised whenever what is stored changes for equal data.
_VERSION = 1
_READS = re.compile(r"^\s*(--[^\n]*\n\s*)*(select|with|from|describe|show|summarize|explain|values)\b", re.IGNORECASE)


def run(evidence: Evidence, query: str) -> pd.DataFrame:
    """Rows of a query; anything but a query is refused."""
    import duckdb

    if not _READS.match(query) or ";" in query.strip().rstrip(";"):
        raise InvalidData("sql: only one query that reads is allowed (select ..., with ..., describe TABLE, show tables).")
    with contextlib.closing(connect(evidence)) as connection:
        try:
            return connection.execute(query).df()
        except duckdb.Error as error:
            raise InvalidData(f"sql: {str(error).strip().splitlines()[0]} See: ketasim evidence sql 'show tables'.") from None


def connect(evidence: Evidence) -> Any:
    """Read-only connection to the built database."""
    import duckdb

    path = cache_directory() / f"evidence_{_fingerprint(evidence)}.duckdb"
    options = {"enable_external_access": "false"}
    if path.is_file():
        try:
            return duckdb.connect(str(path), read_only=True, config=options)
        except duckdb.Error:
            path.unlink(missing_ok=True)  # damaged: built anew
    _build(evidence, path)
    return duckdb.connect(str(path), read_only=True, config=options)


def _fingerprint(evidence: Evidence) -> str:
    import duckdb

    digest = hashlib.sha256(f"{_VERSION} {duckdb.__version__}".encode())
    for name in evidence.names:
        digest.update(repr((name, evidence._content[name].rows, evidence._origins[name])).encode())
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
            for table in evidence.names:
                frame = evidence.table(table)
                connection.register("incoming", frame.replace("", None))
                connection.execute(f'create table "{table}" as select * from incoming')
                connection.unregister("incoming")
            for alias, table in ALIASES.items():
                connection.execute(f'create view "{alias}" as select * from "{table}"')
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
