"""The register of names: suffixes, concentrations, dimensions, additions by packs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ketasim import library
from ketasim.errors import InvalidEntry
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


def test_every_registered_unit_is_a_unit() -> None:
    from ketasim.units import dimension

    for section in ("parameter", "compartment", "port"):
        for name in library.register().sections[section].values():
            dimension(name.unit)
            assert name.meaning
