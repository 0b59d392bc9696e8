"""Where results go: checked before the run, written by the ending of the name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ketasim.cli._show import note
from ketasim.errors import InvalidOption, OutputError

if TYPE_CHECKING:
    import xarray as xr

TABLES, REPORTS, FIGURES = (".csv", ".parquet", ".zarr", ".json"), (".html",), (".png", ".svg", ".pdf")


def checked(out: Sequence[Path] | None, report: Path | None = None, figure: Path | None = None) -> tuple[Path, ...]:
    """All files to write; a wrong ending or an unwritable place is refused before the run begins."""
    files = list(out or [])
    for path, endings, option in ((report, REPORTS, "--report"), (figure, FIGURES, "--figure")):
        if path is not None:
            check_file(path, endings, option)
            files.append(path)
    for path in files:
        if path.suffix.lower() not in TABLES + REPORTS + FIGURES:
            raise InvalidOption(f"-o {path}: unknown ending '{path.suffix}'. Use one of {', '.join(TABLES + REPORTS + FIGURES)}.")
        check_writable(path)
    if len({path.resolve() for path in files}) < len(files):
        raise InvalidOption("two outputs have the same name; give each its own.")
    return tuple(files)


def check_file(path: Path | None, endings: Sequence[str], option: str = "-o") -> None:
    """Refuse a name whose ending promises another kind of file, and a place that cannot be written. None : nothing is to be written."""
    if path is None:
        return
    if path.suffix.lower() not in endings and not path.is_dir():
        raise InvalidOption(f"{option} {path}: the name must end in {' or '.join(endings)}.")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Refuse a place that cannot be written, naming it."""
    if path.is_dir() and path.suffix.lower() != ".zarr":
        raise OutputError(f"{path}: is a folder; give the name of a file.")
    if path.suffix.lower() == ".zarr":
        from ketasim.results import check_target

        check_target(path)
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK) or (path.is_file() and not os.access(path, os.W_OK)):
        raise OutputError(f"{path}: cannot be written (no permission, or '{folder}' is no folder). Choose another place.")


def write(result: xr.DataTree, files: Sequence[Path], log: bool = False) -> None:
    """One simulated regimen to every file asked for."""
    from ketasim.results import save

    for path in files:
        if path.suffix.lower() in TABLES:
            save(result, path)
        else:
            _picture({"": result}, path, log)
        note(f"Written: {path}")


def write_arms(results: Mapping[str, xr.DataTree], files: Sequence[Path], log: bool = False) -> None:
    """Several arms to every file asked for; tables get a column ``arm``, zarr and json one group per arm."""
    for path in files:
        ending = path.suffix.lower()
        if ending in REPORTS + FIGURES:
            _picture(results, path, log)
        elif ending == ".zarr":
            _save_tree(results, path)
        elif ending == ".json":
            _save_summary(results, path)
        else:
            _save_table(results, path)
        note(f"Written: {path}")


def _save_table(results: Mapping[str, xr.DataTree], path: Path) -> None:
    import pandas as pd

    from ketasim.results import main_table, save

    frames = []
    for label, result in results.items():
        one = main_table(result)
        one.insert(0, "arm", label)
        frames.append(one)
    save(next(iter(results.values())), path, table=pd.concat(frames, ignore_index=True))


def _save_tree(results: Mapping[str, xr.DataTree], path: Path) -> None:
    import xarray as xr

    from ketasim.results import save

    save(xr.DataTree.from_dict({f"/{label}": result for label, result in results.items()}), path)


def _save_summary(results: Mapping[str, xr.DataTree], path: Path) -> None:
    import json

    from ketasim.cli._show import plain
    from ketasim.results import summary
    from ketasim.writing import replacing

    with replacing(path) as part:
        Path(part).write_text(json.dumps(plain({k: summary(v) for k, v in results.items()}), indent=1), encoding="utf-8")


def _picture(results: Mapping[str, xr.DataTree], path: Path, log: bool) -> None:
    from ketasim.report import concentration_figure, html_report, readout_figure, save_figure, shown_figure
    from ketasim.results import shown_names

    one = next(iter(results.values())) if len(results) == 1 else dict(results)
    if path.suffix.lower() in REPORTS:
        html_report(one, path)
    elif all(shown_names(result) for result in results.values()):
        save_figure(shown_figure(one, log=log), path)
    elif all(str(result.attrs["model"]).startswith("cascade/") for result in results.values()):
        save_figure(readout_figure(one), path)
    else:
        save_figure(concentration_figure(one, log=log), path)
