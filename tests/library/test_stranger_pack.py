"""A stranger adds a model, a structure, a mechanism, names, sources and a co-medication without an edit in ketasim."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from rescaling import model_complaints

import ketasim
from ketasim import library, sources
from ketasim.errors import InvalidEntry, UnknownEntry
from ketasim.library import _find
from ketasim.model import LogitNormal, Part, assemble

PACK = Path(__file__).parents[1] / "fixtures" / "stranger_pack"


@pytest.fixture
def pack() -> Iterator[Path]:
    with library.pack(PACK) as folder:
        yield folder


def test_pack_is_used_only_where_asked_for() -> None:
    with library.pack(PACK):
        assert library.pk("doe2031").cite == "doe2031@3"
    with pytest.raises(UnknownEntry, match="no PK model 'doe2031'"):
        library.pk("doe2031")
    with pytest.raises(UnknownEntry, match="no source 'doe2031'"):
        sources.cite("doe2031")


def test_pack_is_listed_beside_the_library(pack: Path) -> None:
    listed = {entry.name: entry for entry in library.entries()}
    assert {"pk/doe2031", "pk/doe2031_two_cmt", "mechanism/doe2031_block", "pk/otto2021"} <= set(listed)
    entry = listed["pk/doe2031"]
    assert (entry.revision, entry.status, entry.routes, entry.analytes) == (3, "provisional", ("iv", "oral"), ("s_ketamine",))
    assert entry.sources == ("doe2031",)
    assert not entry.is_addon
    assert listed["mechanism/doe2031_block"].is_addon


def test_numbers_arrive_in_the_units_of_the_structure(pack: Path) -> None:
    numbers = library.load("doe2031").numbers
    assert numbers["CL"].value == pytest.approx(90.0, rel=1e-12)
    assert numbers["CL"].se == pytest.approx(4.5, rel=1e-12)
    assert numbers["Vc"].value == pytest.approx(140.0, rel=1e-12)
    assert [(e.by, e.form, e.ref, e.coefficient) for e in numbers["Vc"].covariates] == [("WT", "power", 70.0, 1.0)]
    assert numbers["k_bile"].value == pytest.approx(0.2, rel=1e-12)
    assert library.load("doe2031_two_cmt").numbers["Vp1"].value == pytest.approx(200.0, rel=1e-12)


def test_names_sources_and_units_of_the_pack_are_checked_like_any(pack: Path) -> None:
    for name in ("pk/doe2031", "mechanism/doe2031_block"):
        assert library.register().missing(library.load(name).mechanism) == []
    assert sources.format_citation("doe2031").startswith("Doe J, Roe R (2031). An {Invented} study")


def test_pack_assembles_with_its_mechanism_and_the_unit_is_converted_once(pack: Path) -> None:
    model = assemble(library.pk("doe2031"), library.mechanism("doe2031_block"))
    assert model.id == "doe2031@3+doe2031_block@1"
    assert model.factors[1, "C_venous_s_ketamine"] == pytest.approx(1000.0, rel=1e-12)
    assert model_complaints(assemble(library.pk("doe2031"))) == []
    assert library.load("doe2031_two_cmt").mechanism.name() == "Mammillary"


def test_comedication_of_the_pack(pack: Path) -> None:
    found = library.comedication("Inventol")
    assert found.multipliers["A_bile"].value == 0.5
    assert found.cite == "inventol@1"


@pytest.mark.slow
def test_pack_simulates_and_mass_is_kept(pack: Path) -> None:
    """AUC of an intravenous dose is dose over clearance, whatever the loop does (1e-4: tail to 400 h, trapezoids)."""
    times = np.concatenate([np.linspace(0.0, 8.0, 3201), np.linspace(8.0, 400.0, 4001)[1:]])
    result = ketasim.simulate(library.pk("doe2031"), "esketamine iv 10 mg over 30 min", times=times)
    curve = result["plasma"]["venous"].sel(analyte="s_ketamine").values[0]
    assert np.trapezoid(curve, times) == pytest.approx(10.0 / 90.0 * 1000.0, rel=1e-4)


def test_installed_packs_are_found_through_the_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("stranger", "stranger_pack_module:pack_path", _find.ENTRY_POINT_GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: PACK)
    monkeypatch.setattr(_find, "entry_points", lambda group: [point] if group == _find.ENTRY_POINT_GROUP else [])
    _find._installed_packs.cache_clear()
    try:
        assert library.load("pk/doe2031").revision == 3
    finally:
        _find._installed_packs.cache_clear()
        sources.remove_bibliography(PACK / "sources.bib")


def test_entries_stand_beside_each_other_in_scopes(pack: Path, tmp_path: Path) -> None:
    parts = [library.load(f"mechanism/doe2031_block{where}") for where in ("", "_inner", "_outer")]
    assert all(library.register().missing(part.mechanism) == [] for part in parts)
    model = assemble(library.load("pk/doe2031"), *parts)
    kis = {name: number.value for name, number in model.numbers.items() if name.endswith("Ki")}
    assert kis == pytest.approx({"Ki": 500.0, "inner.Ki": 500.0, "outer.Ki": 1000.0}, rel=1e-12)
    result = ketasim.simulate(model, "esketamine iv 20 mg", times=[1.0], states=True, parameters={"inner.Ki": 250.0})
    block = {name: float(result["port"][name].values[0, 0]) for name in ("block", "inner_block", "outer.block")}
    ratio = block["block"] / (1.0 - block["block"])
    assert block["inner_block"] == pytest.approx(2.0 * ratio / (1.0 + 2.0 * ratio), rel=1e-12)
    assert block["outer.block"] == pytest.approx(0.5 * ratio / (1.0 + 0.5 * ratio), rel=1e-12)
    own = tmp_path / "own" / "mechanism"
    own.mkdir(parents=True)
    shutil.copy(PACK / "mechanism" / "block.py", own)
    (own / "doe2031_bad.toml").write_text(
        (PACK / "mechanism" / "doe2031_block_inner.toml")
        .read_text()
        .replace("doe2031_block_inner", "doe2031_bad")
        .replace("block =", "blok =")
    )
    with library.pack(own.parent), pytest.raises(InvalidEntry, match=r"doe2031_bad.toml: bind names 'blok', which is no port"):
        library.load("doe2031_bad")


def test_an_entry_says_how_its_outputs_are_seen(pack: Path, tmp_path: Path) -> None:
    own = tmp_path / "own" / "mechanism"
    own.mkdir(parents=True)
    shutil.copy(PACK / "mechanism" / "block.py", own)
    plain = (PACK / "mechanism" / "doe2031_block_inner.toml").read_text().replace("doe2031_block_inner", "doe2031_seen")

    def seen(rows: str) -> Part:
        (own / "doe2031_seen.toml").write_text(f'{plain}\n[observation.block]\nat = "Table 9"\nkind = "estimated"\n{rows}\n')
        return library.load("doe2031_seen")

    with library.pack(own.parent):
        part = seen('family = "logit_normal"\nlow = 0\nhigh = 100\nunit = "%"\nsd = 0.5')
        assert part.observations == (LogitNormal("inner_block", low=0.0, high=1.0, sd=0.5, at="Table 9"),)
        with pytest.raises(
            InvalidEntry, match=r"\[observation.block\] cuts: is no number of the family 'log_normal', which takes sd"
        ):
            seen('family = "log_normal"\ncuts = [1.0]')
        with pytest.raises(InvalidEntry, match=r"\[observation.block\]: the family 'log_normal' needs sd"):
            seen('family = "log_normal"')
        with pytest.raises(InvalidEntry, match=r"LogNormal of 'block': give sd above 0"):
            seen('family = "log_normal"\nsd = 0.0')
