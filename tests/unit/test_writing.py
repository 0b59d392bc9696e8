"""Files written whole or not at all: two writers of one name, drafts that take nobody's name, and what a failure leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ketasim.errors import OutputError
from ketasim.writing import replacing, replacing_folder


def test_two_writers_of_one_name_never_mix(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with replacing(target) as first, first.open("w") as early, replacing(target) as second:
        early.write("1" * 10)
        second.write_text("2" * 5)
    assert target.read_text() == "1" * 10, "the last to finish, and nothing of the other"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_a_folder_is_replaced_as_a_whole_and_kept_on_failure(tmp_path: Path) -> None:
    target = tmp_path / "out.zarr"
    for content in ("old", "new"):
        with replacing_folder(target) as draft:
            (draft / content).write_text(content)
        assert [p.name for p in target.iterdir()] == [content]
    with pytest.raises(KeyboardInterrupt), replacing_folder(target) as draft:
        (draft / "half").write_text("")
        raise KeyboardInterrupt
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


def test_new_files_have_the_permissions_of_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a.csv") as draft:
            draft.write_text("")
        (tmp_path / "plain").write_text("")
    finally:
        os.umask(before)
    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_where_the_folder_should_be_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"a\.csv: table cannot be written"), replacing(tmp_path / "file" / "a.csv", "table"):
        pass
