"""What the loader makes of an entry, and what it says of a wrong one."""

from __future__ import annotations

import math
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ketasim import library
from ketasim.errors import InvalidEntry, UnitMismatch, UnknownEntry
from ketasim.library import _find
from ketasim.model import assemble
from ketasim.population import population

STRUCTURE = """
id = "doe2031"
revision = 1
status = "provisional"
title = "invented"
structure = "pk.structures:Mammillary"
options = { compartments = 1 }
source = "doe2031"
drug = "esketamine"
analytes = ["s_ketamine"]
dose_form = "base"
sampling = "venous"
"""
CL = """
[param.CL]
value = 80
unit = "L/h"
at = "Table 1"
kind = "estimated"
"""
VC = """
[param.Vc]
value = 100
unit = "L"
at = "Table 1"
kind = "estimated"
"""


BIBLIOGRAPHY = "@article{doe2031,\n  author = {Doe, J},\n  year = {2031},\n  title = {Invented},\n}\n"

STUDY = '[between_study.clearance]\nvalue = {}\nunit = "1"\nat = "Table 2"\nkind = "estimated"\n{}\n'


def load(folder: Path, text: str, name: str = "doe2031") -> object:
    shelf = folder / "pk"
    shelf.mkdir(exist_ok=True)
    (folder / "sources.bib").write_text(BIBLIOGRAPHY, encoding="utf-8")
    (shelf / f"{name}.toml").write_text(text, encoding="utf-8")
    with library.pack(folder):
        return library.pk(name)


def message(folder: Path, text: str, error: type[Exception] = InvalidEntry) -> str:
    with pytest.raises(error) as caught:
        load(folder, text)
    return str(caught.value)


def test_cv_percent_is_converted_in_one_place() -> None:
    assert library.log_variance(22.0) == pytest.approx(math.log(1 + 0.22**2), rel=1e-15)
    assert library.log_variance(0.0) == 0.0


@pytest.mark.parametrize(
    ("iiv", "form", "variance"),
    [
        ("{ cv_percent = 30 }", "lognormal", math.log(1.09)),
        ("{ omega2 = 0.04 }", "lognormal", 0.04),
        ("{ sd_log = 0.2 }", "lognormal", 0.04),
        ("{ sd_logit = 0.5 }", "logit", 0.25),
        ("{ sd = 120 }", "normal", 4.0),
    ],
)
def test_variability_forms(tmp_path: Path, iiv: str, form: str, variance: float) -> None:
    minutes = (
        CL.replace('value = 80\nunit = "L/h"', 'value = 4800\nunit = "L/(60 h)"').replace("L/(60 h)", "L/min") + f"iiv = {iiv}\n"
    )
    part = load(tmp_path, STRUCTURE + minutes.replace("4800", "1.3333").replace("sd = 120", "sd = 0.0333333333333333") + VC)
    found = part.numbers["CL"].iiv  # type: ignore[attr-defined]
    assert found.form == form
    assert found.omega2 == pytest.approx(variance, rel=1e-12)


def test_additive_effect_is_scaled_with_its_parameter(tmp_path: Path) -> None:
    effect = 'covariates = [{ by = "AGE", form = "additive_above", ref = "60 year", coefficient = -0.5 }]\n'
    part = load(tmp_path, STRUCTURE + CL.replace("80", "1").replace("L/h", "L/min") + effect + VC)
    (found,) = part.numbers["CL"].covariates  # type: ignore[attr-defined]
    assert (found.ref, found.coefficient) == (60.0, pytest.approx(-30.0, rel=1e-12))


def test_reference_in_another_unit_is_converted(tmp_path: Path) -> None:
    effect = 'covariates = [{ by = "WT", form = "power", ref = "70000 g", exponent = 0.75 }]\n'
    (found,) = load(tmp_path, STRUCTURE + CL + effect + VC).numbers["CL"].covariates  # type: ignore[attr-defined]
    assert found.ref == pytest.approx(70.0, rel=1e-12)


def test_correlation_becomes_covariance(tmp_path: Path) -> None:
    iiv = "iiv = { omega2 = 0.09 }\n"
    text = (
        STRUCTURE + CL + iiv + VC + "iiv = { omega2 = 0.04 }\n" + '\n[[correlation]]\nbetween = ["CL", "Vc"]\ncorrelation = 0.5\n'
    )
    assert load(tmp_path, text).correlations == {("CL", "Vc"): pytest.approx(0.03, rel=1e-12)}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CL, "doe2031.toml: no [param.Vc]. pk.structures:Mammillary needs: CL, Vc."),
        (CL.replace("CL", "Cl") + VC, "doe2031.toml [param.Cl]: pk.structures:Mammillary has no such parameter. Close: 'CL'"),
        (CL.replace('at = "Table 1"\n', "") + VC, "[param.CL] at: missing. Every number needs value, unit, at and kind."),
        (CL.replace("estimated", "guessed") + VC, "[param.CL] kind: "),
        (CL.replace("estimated", "derived") + VC, "[param.CL]: kind 'derived' needs a note that says how"),
        (CL.replace("value = 80", "value = -80") + VC, "[param.CL]: value -80 L/h is outside [0, inf] L/h."),
        (CL.replace("value = 80", "value = nan") + VC, "[param.CL] value: "),
        (CL.replace("value = 80", "value = '80 L'") + VC, "[param.CL] value: "),
        (CL.replace("kind =", "kindd =") + VC, "[param.CL] kindd: unknown key. Close: 'kind'."),
        (CL + "vale = 3\n" + VC, "[param.CL] vale: unknown key. Close: 'value'."),
        (CL + "iiv = { cv_percent = 3, omega2 = 2 }\n" + VC, "exactly one of cv_percent, omega2"),
        (CL + 'covariates = [{ by = "WEIGHT", form = "power", ref = "70 kg", exponent = 1 }]\n' + VC, "'WEIGHT' is no covariate"),
        (CL + 'covariates = [{ by = "WT", form = "power", exponent = 1 }]\n' + VC, "needs a positive ref"),
        (CL + 'covariates = [{ by = "WT", form = "power", ref = "70kg", exponent = 1 }]\n' + VC, "'70kg' is no quantity"),
        (CL + VC + "[residual.C_venous_ketamine]\nproportional = 0.1\n", "no such output. Close: 'C_venous_s_ketamine'"),
        (
            CL + VC + STUDY.format("0.1", 'on = [["Cl"]]'),
            "Mammillary has no parameter 'Cl'. Close: 'CL'",
        ),
        (CL + VC + STUDY.format("0.1", ""), "[between_study.clearance]: on is missing"),
        (CL + VC + STUDY.format("0.0", 'on = [["CL"]]'), "value is an SD and must be positive"),
        (CL + VC + '[[correlation]]\nbetween = ["CL", "Vc"]\ncorrelation = 0.5\n', "but CL has no iiv"),
        (CL + VC + "dose = [\n", "not valid TOML"),
        (CL.replace("value = 80", "value = '80'") + VC, "[param.CL] value: Input should be a valid number, got '80'."),
        (CL + "iiv = { cv = 30 }\n" + VC, "[param.CL] iiv.cv: unknown key. Close: 'cv_percent'. Allowed: at, cv_percent, kind, "),
        (
            CL + 'covariates = [{ by = "WT", forn = "power" }]\n' + VC,
            "forn: unknown key. Close: 'form'. Allowed: at, by, coefficient",
        ),
        (
            "population = { helth = 1 }\n" + CL + VC,
            "[population] helth: unknown key. Close: 'health'. Allowed: age, description,",
        ),
        (CL + VC + '[[correlation]]\nbetween = ["CL", "Vc"]\ncovarianc = 0.5\n', "covarianc: unknown key. Close: 'covariance'"),
        (CL + VC + '[[correlation]]\nbetween = ["CL", "CL"]\ncorrelation = 0.5\n', "between names 'CL' twice"),
        (
            CL + "iiv = { sd_log = 0.3 }\n" + VC + '[[correlation]]\nbetween = ["CL", "Vcc"]\ncorrelation = 0.5\n',
            "has no parameter 'Vcc'. Close: 'Vc'",
        ),
        (CL + "source = 'doe2013'\n" + VC, "[param.CL] source: 'doe2013' is not in the bibliography. Close: 'doe2031'"),
    ],
)
def test_wrong_entries_get_one_message_that_names_file_and_place(tmp_path: Path, text: str, words: str) -> None:
    assert words in message(tmp_path, STRUCTURE + text)


def test_wrong_unit_names_what_the_structure_needs(tmp_path: Path) -> None:
    said = message(tmp_path, STRUCTURE + CL.replace("L/h", "L") + VC, UnitMismatch)
    assert "pk/doe2031.toml [param.CL]: unit 'L' is volume; pk.structures:Mammillary needs volume/time, e.g. 'L/h'." in said


CHECKPOINT = """
[checkpoint.peak]
dose = "esketamine iv 10 mg over 40 min"
metric = "cmax"
analyte = "s_ketamine"
expect = "100 ng/mL"
within_percent = 10
at = "Figure 1"
"""
REPORTED = CL.replace("param.CL", "reported.Vss").replace("L/h", "L")


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ('unit = "L"\nat = "Table 1"', 'unit = "litre_ish"\nat = "Table 1"', UnitMismatch, "[reported.Vss]: 'litre_ish' is not a unit"),
        ('analyte = "s_ketamine"', 'analyte = "s_ketamin"', InvalidEntry, "[checkpoint.peak]: 's_ketamin' is no analyte of the register. Close: 's_ketamine'"),
        ('"s_ketamine"\nexpect', '["s_ketamine", "x"]\nexpect', InvalidEntry, "[checkpoint.peak]: 'x' is no analyte of the register"),
        ('metric = "cmax"', 'metric = "auc_ratio"\nover = "sketamine"', InvalidEntry, "[checkpoint.peak]: 'sketamine' is no analyte"),
        ("100 ng/mL", "100 ng", UnitMismatch, "[checkpoint.peak] expect: unit 'ng' is mass; needed is mass/volume"),
        ("100 ng/mL", "high", InvalidEntry, "[checkpoint.peak] expect: 'high' is no quantity"),
        ("within", 'time = "40 minits"\nwithin', UnitMismatch, "[checkpoint.peak]"),
    ],
)  # fmt: skip
def test_what_no_run_reads_is_checked_too(tmp_path: Path, old: str, new: str, error: type[Exception], words: str) -> None:
    kept = REPORTED + CHECKPOINT
    load(tmp_path, STRUCTURE + CL + VC + kept)
    assert old in kept
    said = message(tmp_path, STRUCTURE + CL + VC + kept.replace(old, new), error)
    assert f"pk/doe2031.toml {words}" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "doe2031"', 'id = "roe2031"', "id is 'roe2031', but the file is 'doe2031.toml'"),
        ("pk.structures:Mammillary", "Mammillary", "write 'module:Class'"),
        ("pk.structures:Mammillary", "pk.structures:Mamillary", "is no mechanism of module 'pk.structures'. Close: 'Mammillary"),
        ("pk.structures:Mammillary", "nowhere:Mammillary", "no module 'nowhere': neither"),
        ("{ compartments = 1 }", "{ compartment = 1 }", "takes no option 'compartment'. Close: 'compartments'."),
        (
            'analytes = ["s_ketamine"]',
            'analytes = ["s_ketamine", "r_ketamine"]',
            "Mammillary describes 1 analyte; the entry names 2",
        ),
        ('status = "provisional"', 'status = "fine"', "status: "),
        (
            'source = "doe2031"',
            'source = "doe2013"',
            "pk/doe2031.toml source: 'doe2013' is not in the bibliography. Close: 'doe2031'",
        ),
        ('["s_ketamine"]', '["s_ketamin"]', "analytes: 's_ketamin' is no analyte of the register. Close: 's_ketamine'"),
        ('"venous"', '"venus"', "sampling: 'venus' is no site of the register. Close: 'venous'. It has: venous, arterial, "),
        ('"esketamine"', '"esketamin"', "drug: 'esketamin' is no drug of the register. Close: 'esketamine'"),
        (
            '"esketamine"',
            '"arketamine"',
            "drug: a dose of arketamine is r_ketamine; pk.structures:Mammillary takes doses of: s_ketamine.",
        ),
        ('"venous"', '"venous"\nroutes = ["oral"]', "routes: pk.structures:Mammillary has no 'oral'. It has: iv."),
        ('title = "invented"', 'title = " "', "title: must not be empty"),
    ],
)
def test_wrong_heads_get_one_message(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in message(tmp_path, STRUCTURE.replace(old, new) + CL + VC)


def test_option_out_of_range_is_one_message(tmp_path: Path) -> None:
    said = message(tmp_path, STRUCTURE.replace("compartments = 1", "compartments = 0") + CL + VC)
    assert "pk/doe2031.toml: option compartments is 0; it must be a whole number from 1 to 3." in said
    assert "cannot be made from the entry's options" in message(
        tmp_path, STRUCTURE.replace("{ compartments = 1 }", "{}") + CL + VC
    )


def test_module_that_fails_on_import_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "pk").mkdir()
    (tmp_path / "pk" / "broken.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    said = message(tmp_path, STRUCTURE.replace("pk.structures:Mammillary", "broken:Mammillary") + CL + VC)
    assert "broken.py: fails on import: ModuleNotFoundError" in said


LOOP = """
from ketasim.library.pk.structures import Mammillary
{}


class Loop(Mammillary):
    def __init__(self):
        super().__init__(compartments=1, analytes=("s_ketamine",), sampling="venous")
"""
OWN = STRUCTURE.replace("pk.structures:Mammillary", "loops:Loop").replace("options = { compartments = 1 }\n", "")


def test_modules_of_a_pack_import_each_other(tmp_path: Path) -> None:
    for folder, value in ((tmp_path / "one", 1), (tmp_path / "two", 2)):
        (folder / "pk").mkdir(parents=True)
        (folder / "pk" / "helper.py").write_text(f"VALUE = {value}\n", encoding="utf-8")
        (folder / "pk" / "loops.py").write_text(LOOP.format("from .helper import VALUE"), encoding="utf-8")
        part = load(folder, OWN + CL + VC)
        found = sys.modules[type(part.mechanism).__module__].VALUE  # type: ignore[attr-defined]
        assert found == value


def test_a_changed_module_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "pk").mkdir()
    for value in (1, 20):
        (tmp_path / "pk" / "helper.py").write_text(f"VALUE = {value}\n", encoding="utf-8")
        (tmp_path / "pk" / "loops.py").write_text(LOOP.format("from .helper import VALUE"), encoding="utf-8")
        part = load(tmp_path, OWN + CL + VC)
        found = sys.modules[type(part.mechanism).__module__].VALUE  # type: ignore[attr-defined]
        assert found == value


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("from helper import VALUE", "No module named 'helper'. helper.py stands beside it: write 'from .helper import ...'."),
        ("from pk.helper import VALUE", "For a file of the pack's folder pk, write 'from ..pk.NAME import ...'."),
    ],
)
def test_a_neighbour_imported_as_if_installed_is_told_how(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "pk").mkdir()
    (tmp_path / "pk" / "helper.py").write_text("VALUE = 1\n", encoding="utf-8")
    (tmp_path / "pk" / "loops.py").write_text(LOOP.format(line), encoding="utf-8")
    said = message(tmp_path, OWN + CL + VC)
    assert "loops.py: fails on import: ModuleNotFoundError" in said and words in said


@pytest.mark.parametrize("module", ["this", "subprocess", "idlelib.idle", "/etc/evil", "..evil", ""])
def test_an_entry_imports_no_module_of_others(tmp_path: Path, module: str) -> None:
    before = set(sys.modules)
    said = message(tmp_path, STRUCTURE.replace("pk.structures:Mammillary", f"{module}:Mammillary") + CL + VC)
    assert "module" in said and module.partition(".")[0] not in set(sys.modules) - before


def test_a_module_in_the_current_folder_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "setup_of_mine.py").write_text("raise SystemExit\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "pack").mkdir()
    assert "no module 'setup_of_mine'" in message(
        tmp_path / "pack", STRUCTURE.replace("pk.structures:Mammillary", "setup_of_mine:X") + CL + VC
    )


def test_a_pack_without_its_code(tmp_path: Path) -> None:
    (tmp_path / "pk").mkdir()
    (tmp_path / "pk" / "loops.py").write_text("raise SystemExit\n", encoding="utf-8")
    (tmp_path / "pk" / "doe2031.toml").write_text(STRUCTURE + CL + VC, encoding="utf-8")
    (tmp_path / "sources.bib").write_text(BIBLIOGRAPHY, encoding="utf-8")
    library.add_pack(tmp_path, code=False)
    try:
        assert library.pk("doe2031").id == "doe2031"
        (tmp_path / "pk" / "doe2031.toml").write_text(OWN + CL + VC, encoding="utf-8")
        with pytest.raises(InvalidEntry, match=r"names loops\.py of its pack.*--pack-data"):
            library.pk("doe2031")
    finally:
        library.remove_pack(tmp_path)


def test_a_model_of_a_pack_travels_to_another_process(tmp_path: Path) -> None:
    (tmp_path / "pk").mkdir()
    (tmp_path / "pk" / "loops.py").write_text(LOOP.format(""), encoding="utf-8")
    part = load(tmp_path, OWN + CL + VC)
    (tmp_path / "part.pickle").write_bytes(pickle.dumps(part))
    code = f"import pickle; print(pickle.load(open({str(tmp_path / 'part.pickle')!r}, 'rb')).mechanism.states.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(part.mechanism.states.keys()), done.stderr  # type: ignore[attr-defined]


def test_structure_of_a_pack_lacks_what_the_entry_names(tmp_path: Path) -> None:
    (tmp_path / "pk").mkdir()
    (tmp_path / "pk" / "loops.py").write_text(LOOP.format(""), encoding="utf-8")
    said = message(tmp_path, OWN.replace('"s_ketamine"', '"s_norketamine"') + CL + VC)
    assert "pk/doe2031.toml analytes: loops:Loop has no 's_norketamine'. Close: 's_ketamine'. It has: s_ketamine." in said
    said = message(tmp_path, OWN.replace('"venous"', '"arterial"') + CL + VC)
    assert "pk/doe2031.toml sampling: loops:Loop has no 'arterial'. It has: venous." in said


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    assert load(tmp_path, STRUCTURE + CL + VC).numbers["CL"].value == 80.0  # type: ignore[attr-defined]
    assert load(tmp_path, STRUCTURE + CL.replace("80", "81.5") + VC).numbers["CL"].value == 81.5  # type: ignore[attr-defined]


def test_same_as_takes_numbers_from_one_home(tmp_path: Path) -> None:
    heir = STRUCTURE.replace("doe2031", "roe2031", 1) + 'same_as = "doe2031"\n' + CL.replace("80", "60")
    load(tmp_path, STRUCTURE + CL + VC)
    part = load(tmp_path, heir, "roe2031")
    assert {name: number.value for name, number in part.numbers.items()} == {"CL": 60.0, "Vc": 100.0}  # type: ignore[attr-defined]
    with pytest.raises(InvalidEntry, match="same_as names 'doe2032', which is no entry"):
        load(tmp_path, heir.replace('same_as = "doe2031"', 'same_as = "doe2032"'), "roe2031")
    second = STRUCTURE.replace("doe2031", "poe2031", 1) + 'same_as = "roe2031"\n'
    load(tmp_path, heir, "roe2031")
    with pytest.raises(InvalidEntry, match="itself takes numbers from elsewhere"):
        load(tmp_path, second, "poe2031")


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pk").mkdir()
    (tmp_path / "pk" / "otto2021.toml").write_text("id = 'otto2021'", encoding="utf-8")
    with library.pack(tmp_path), pytest.raises(InvalidEntry, match="'pk/otto2021' stands twice"):
        library.pk("otto2021")


@pytest.mark.parametrize("name", ["otto2021", "pk/otto2021", "otto2021@1", "pk/otto2021@1"])
def test_names_of_one_entry(name: str) -> None:
    assert library.load(name).cite == "otto2021@1"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pk/oto2021", "no PK model 'oto2021' in the library. Close: 'otto2021'"),
        ("two_comp", "Close: 'two_cmt'"),
        ("pkk/otto2021", "the library has no shelf 'pkk' (from 'pkk/otto2021'). Close: 'pk'"),
        ("otto2021@9", "'otto2021' is in the library with revision 1, not 9."),
    ],
)
def test_unknown_names_are_met_with_close_ones(name: str, words: str) -> None:
    with pytest.raises(UnknownEntry, match=re.escape(words)):
        library.load(name)


def test_unknown_shelf_and_pack() -> None:
    with pytest.raises(UnknownEntry, match="no shelf 'pharmacokinetics'"):
        library.entries("pharmacokinetics")
    with pytest.raises(UnknownEntry, match="is no folder"):
        library.add_pack("/nowhere/at/all")


def test_pack_without_shelves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownEntry, match="has none of the folders pk"):
        library.add_pack(tmp_path)


def test_packs_can_be_added_and_removed(tmp_path: Path) -> None:
    (tmp_path / "pk").mkdir()
    before = _find.roots()
    library.add_pack(tmp_path)
    library.add_pack(tmp_path)
    assert _find.roots() == (*before, tmp_path.resolve())
    library.remove_pack(tmp_path)
    library.remove_pack(tmp_path)
    assert _find.roots() == before


def test_shelf_functions() -> None:
    assert library.pk("otto2021") is library.pk("pk/otto2021")
    assert library.generic("two_cmt").mechanism.states.keys() == {"DEPOT", "CENT", "PERI"}
    with pytest.raises(UnknownEntry, match="no mechanism 'otto2021'"):
        library.mechanism("otto2021")


def test_comedications() -> None:
    assert library.comedication("ticlopidine").multipliers["A_2B6_liver"].value < 1.0
    with pytest.raises(UnknownEntry, match=r"no co-medication 'ticlopidin' in the library\. Close: 'ticlopidine'"):
        library.comedication("ticlopidin")


def test_comedication_without_a_number_cannot_be_used(tmp_path: Path) -> None:
    shelf = tmp_path / "comedication"
    shelf.mkdir()
    text = 'id = "emptol"\nrevision = 1\nstatus = "provisional"\ntitle = "Emptol"\nmechanism = "unknown"\nsource = "assumption"\n'
    (shelf / "emptol.toml").write_text(text, encoding="utf-8")
    with library.pack(tmp_path), pytest.raises(UnknownEntry, match="has no multiplier yet"):
        library.comedication("emptol")
    unknown = text + '[multiplier.A_2B6_livr]\nvalue = 2\nunit = "1"\nat = "Table 1"\nkind = "estimated"\n'
    (shelf / "emptol.toml").write_text(unknown, encoding="utf-8")
    with library.pack(tmp_path), pytest.raises(InvalidEntry, match=r"no parameter of the register\. Close: 'A_2B6_liver'"):
        library.comedication("emptol")
    (shelf / "emptol.toml").write_text(text.replace('"assumption"', '"asumption"'), encoding="utf-8")
    with (
        library.pack(tmp_path),
        pytest.raises(InvalidEntry, match=r"'asumption' is not in the bibliography\. Close: 'assumption'"),
    ):
        library.comedication("emptol")
    wrong = text + '[multiplier.CL]\nvalue = 2\nunit = "1"\nat = "Table 1"\nkind = "estimated"\n'
    (shelf / "emptol.toml").write_text(wrong, encoding="utf-8")
    with library.pack(tmp_path), pytest.raises(InvalidEntry, match="only activity parameters"):
        library.comedication("emptol")


def test_entries_are_short_to_look_at_and_can_be_pickled() -> None:
    for thing in (library.load("pk/otto2021"), assemble(library.load("pk/otto2021")), population("adults")):
        assert len(repr(thing)) < 200
    for thing in (library.load("pk/otto2021"), library.comedication("ticlopidine")):
        assert pickle.loads(pickle.dumps(thing)).cite == thing.cite
    with pytest.raises(UnknownEntry, match="loaded by its name"):
        library.load(Path("pk/otto2021"))  # type: ignore[arg-type]


def test_a_whole_stands_for_its_parts_and_is_cited_by_its_own_name() -> None:
    names = [part.id for part in library.parts("cascade/rat+mechanism/nbqx")]
    assert names[:2] == ["exposure_rat", "species_rat"] and names[-1] == "nbqx"
    assert library.model_id("cascade/rat+mechanism/nbqx") == "cascade/rat@1+nbqx@1" and library.model_id("otto2021") == ""
    assert {"cascade/core", "cascade/human", "cascade/mouse", "cascade/rat"} <= {one.name for one in library.wholes()}
    with pytest.raises(UnknownEntry, match="Close: 'mouse'"):
        library.whole("cascade/mose")
    with pytest.raises(UnknownEntry, match="revision 1, not 7"):
        library.parts("cascade/rat@7")


def test_a_whole_that_holds_itself_is_refused(tmp_path: Path) -> None:
    shelf = tmp_path / "cascade"
    shelf.mkdir()
    for one, other in (("one", "two"), ("two", "one")):
        head = f'id = "{one}"\ntitle = "t"\nrevision = 1\nstatus = "provisional"\n'
        (shelf / f"{one}.toml").write_text(head + f'parts = ["cascade/{other}"]\n', encoding="utf-8")
    with library.pack(tmp_path), pytest.raises(InvalidEntry, match="holds itself"):
        library.parts("cascade/one")
