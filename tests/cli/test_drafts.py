"""What stands beside an output is nobody's draft: files, folders and links of likely names stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SIMULATE = ["simulate", "100 mg into CENT", "--pk", "generic/two_cmt", "-n", "4", "--times", "0,1"]
OUTPUTS = ("a.csv", "a.parquet", "a.json", "a.zarr", "a.html", "a.svg", "b.csv")


def test_files_and_links_with_names_of_drafts_are_left_alone(run: Callable[..., Any], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "a.zarr.part"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    ends = (*OUTPUTS, "b.csv.resume", "facts")
    links = {tmp_path / name for out in ends for name in (f"{out}.part", f".{out}.part", f".{out}.part{Path(out).suffix}")}
    for link in links:
        if link != folder:
            link.symlink_to(victim)
    for out in OUTPUTS[:-1]:
        assert run(*SIMULATE, "-o", out).exit_code == 0
    assert run(*SIMULATE, "--stream", "--chunk", "1", "-o", "b.csv").exit_code == 0
    assert run("evidence", "export", "-o", "facts").exit_code == 0
    assert victim.read_text() == "mine"
    assert (folder / "mine").read_text() == "mine"
    assert all(link.is_symlink() for link in links if link != folder)
    assert {p.name for p in tmp_path.iterdir()} == {*OUTPUTS, "facts", "victim", *(link.name for link in links)}
