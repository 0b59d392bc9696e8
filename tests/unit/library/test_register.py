"""The register of names: suffixes, concentrations, dimensions, additions by packs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ketasim import library
from ketasim.errors import InvalidEntry, UnitMismatch
from ketasim.library._register import CORE_REGISTER, read_register
from ketasim.model import Mechanism, Param, Port


def test_suffixes_lead_to_the_base_name() -> None:
    register = library.register()
    assert register.find("parameter", "CL_nk_r").name == "CL"  # type: ignore[union-attr]
    assert register.find("parameter", "CLint_gut_nk").name == "CLint_gut"  # type: ignore[union-attr]
    assert register.find("parameter", "CL_nonsense") is None
    assert register.find("parameter", "nk") is None


class _Odd(Mechanism):
    """Has one name of each kind of trouble."""

    params = {"CL": Param("L"), "clearence": Param("L/h")}
    reads = {"C_venous_s_ketamine": Port("umol/L"), "C_venous_caffeine": Port("umol/L"), "C_arterial_hnk": Port("mg/L")}


def test_missing_names_and_wrong_dimensions_are_named() -> None:
    said = library.register().missing(_Odd())
    assert "parameter 'CL' has unit 'L', names.toml says 'L/h'." in said
    assert any("parameter 'clearence' is not in names.toml" in text for text in said)
    assert any("port 'C_venous_caffeine' is not in names.toml" in text for text in said)
    assert any("port 'C_arterial_hnk' has unit 'mg/L'" in text for text in said)
    assert len(said) == 4


def test_covariates_agree_with_those_of_populations() -> None:
    from ketasim.population import COVARIATES

    registered = library.register().sections["covariate"]
    assert set(COVARIATES) == set(registered)
    for name, covariate in COVARIATES.items():
        assert registered[name].levels == covariate.levels, name


def test_a_pack_adds_names_but_changes_none(tmp_path: Path) -> None:
    file = tmp_path / "names.toml"
    file.write_text('[parameter]\nCL = { unit = "L/h", meaning = "mine" }\n', encoding="utf-8")
    with pytest.raises(InvalidEntry, match="CL: is already registered"):
        read_register((CORE_REGISTER, file))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[parameters]\nk_bile = { meaning = "x" }\n', r"names.toml \[parameters\]: no such section. Close: 'parameter'"),
        ('[parameter]\nk_bile = { unitt = "1/h", meaning = "x" }\n', r"\[parameter\] k_bile unitt: unknown key. Close: 'unit'"),
        ('[parameter]\nk_bile = { unit = "1/h" }\n', r"\[parameter\] k_bile meaning: missing"),
        ('k_bile = "x"\n', "k_bile: stands outside a section"),
    ],
)
def test_misspelt_names_of_a_pack_are_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "names.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidEntry, match=words):
        read_register((CORE_REGISTER, file))


def test_a_unit_that_is_none_is_told_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "names.toml"
    file.write_text('[parameter]\nk_bile = { unit = "per_our", meaning = "x" }\n', encoding="utf-8")
    with pytest.raises(UnitMismatch, match=r"\[parameter\] k_bile: 'per_our' is not a unit"):
        read_register((CORE_REGISTER, file))


def test_drugs_agree_with_those_that_can_be_dosed() -> None:
    from ketasim.dose import DRUGS

    registered = library.register().sections["drug"]
    assert {name: set(drug.releases) for name, drug in registered.items()} == {name: set(drug) for name, drug in DRUGS.items()}


def test_every_registered_unit_is_a_unit() -> None:
    from ketasim.units import dimension

    for section in ("parameter", "compartment", "port"):
        for name in library.register().sections[section].values():
            dimension(name.unit)
            assert name.meaning
