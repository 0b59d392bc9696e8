"""One paper, one family: sources that are the same paper, by identifier or because `paper` says so."""

from __future__ import annotations

from collections.abc import Mapping


def families(sources: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Key of a source -> the first key of the same paper.

    Examples
    --------
    >>> one = {"doi": "10.1/X", "pmid": "", "paper": ""}
    >>> families({"abstract": one, "table2": one | {"doi": "10.1/x"}, "quote": {"doi": "", "pmid": "", "paper": "abstract"}})
    {'abstract': 'abstract', 'table2': 'abstract', 'quote': 'abstract'}
    """
    of = {key: key for key in sources}

    def first(key: str) -> str:
        while of[key] != key:
            key = of[key]
        return key

    seen: dict[tuple[str, str], str] = {}
    for key, row in sources.items():
        names = [(kind, row[kind].lower()) for kind in ("doi", "pmid") if row[kind]]
        same = [seen.setdefault(name, key) for name in names] + [row["paper"]] * (row["paper"] in of)
        for other in same:
            one, two = sorted((first(key), first(other)), key=list(sources).index)
            of[two] = one
    return {key: first(key) for key in sources}
