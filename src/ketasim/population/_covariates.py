"""The covariates ketasim knows: unit, range a human can have, words for levels, and what holds where none is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ketasim.arguments import checked
from ketasim.errors import InvalidData, UnknownEntry, close_names


@dataclass(frozen=True, slots=True)
class Covariate:
    """One covariate of the register.

    Attributes
    ----------
    unit : fixed unit; empty for a category.
    low, high : values outside cannot be a human in this unit; the usual cause is another unit.
    levels : allowed levels of a category; empty for a number.
    default : level that holds where a cohort does not say; empty where there is none.
    words : other ways to write a level, in lower case.
    is_neutral : a number that, where a cohort does not say, counts as the reference of whatever it acts on.
    """

    unit: str
    meaning: str
    low: float = 0.0
    high: float = float("inf")
    levels: tuple[str, ...] = ()
    default: str = ""
    words: tuple[tuple[str, str], ...] = ()
    is_neutral: bool = False

    @property
    def is_category(self) -> bool:
        """Whether the covariate is a level rather than a number."""
        return bool(self.levels)


_RACE_WORDS = (
    ("caucasian", "white"),
    ("black or african american", "black"),
    ("african american", "black"),
    ("han chinese", "chinese"),
)
_NO_WORDS = (("normal", "none"), ("mild", "A"), ("moderate", "B"), ("severe", "C"))
_YES_WORDS = (("true", "yes"), ("false", "no"), ("1", "yes"), ("0", "no"), ("1.0", "yes"), ("0.0", "no"))

#: Register of covariates with a meaning of their own; any other column of a user's table is kept as it is.
COVARIATES: dict[str, Covariate] = {
    "AGE": Covariate("year", "age", 0.0, 125.0),
    "SEX": Covariate(
        "", "sex", levels=("female", "male"), words=(("f", "female"), ("m", "male"), ("woman", "female"), ("man", "male"))
    ),
    "WT": Covariate("kg", "body weight", 0.3, 400.0),
    "HT": Covariate("cm", "height", 25.0, 260.0),
    "BMI": Covariate("kg/m^2", "body mass index", 8.0, 120.0),
    "RACE": Covariate(
        "", "ethnicity", levels=("white", "black", "asian", "japanese", "chinese", "other"), default="other", words=_RACE_WORDS
    ),
    "CYP2B6": Covariate("", "CYP2B6 genotype", levels=("*1/*1", "*1/*6", "*6/*6"), default="*1/*1", words=(("*6/*1", "*1/*6"),)),
    "CYP2B6_PHENOTYPE": Covariate("", "CYP2B6 phenotype", levels=("normal", "intermediate", "poor"), default="normal"),
    "CHILD_PUGH": Covariate(
        "", "hepatic impairment, Child-Pugh class", levels=("none", "A", "B", "C"), default="none", words=_NO_WORDS
    ),
    "EGFR": Covariate("mL/min/1.73m^2", "estimated glomerular filtration rate", 0.0, 250.0, is_neutral=True),
    "POSTPARTUM": Covariate("", "first weeks after childbirth", levels=("no", "yes"), default="no", words=_YES_WORDS),
    "COMEDICATION": Covariate(
        "", "oral antidepressant", levels=("none", "duloxetine", "escitalopram", "sertraline", "venlafaxine"), default="none"
    ),
}

#: A level that no effect names falls back on the wider group it belongs to.
WIDER_LEVEL = {"RACE": {"japanese": "asian", "chinese": "asian"}}

_PHENOTYPE = {"*1/*1": "normal", "*1/*6": "intermediate", "*6/*6": "poor"}


@checked
def cyp2b6_phenotype(genotypes: Iterable[str]) -> list[str]:
    """CYP2B6 metaboliser phenotype of genotypes of the alleles *1 and *6: normal, intermediate or poor.

    Examples
    --------
    >>> cyp2b6_phenotype(["*1/*1", "*1/*6"])
    ['normal', 'intermediate']
    """
    found = list(genotypes)
    for genotype in found:
        if genotype not in _PHENOTYPE:
            raise InvalidData(f"genotype {genotype!r}: is not one of {', '.join(_PHENOTYPE)}.")
    return [_PHENOTYPE[genotype] for genotype in found]


def level_of(name: str, text: str, where: str) -> str:
    """The register's word for a level of covariate `name`; raises `InvalidData`, naming `where`, for an unknown one."""
    covariate = COVARIATES.get(name) if isinstance(name, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if covariate is None or not covariate.is_category:
        levelled = [known for known, one in COVARIATES.items() if one.is_category]
        raise UnknownEntry(f"{where}: '{name}' is no covariate with levels.{close_names(str(name), levelled)} There are: {', '.join(levelled)}.")  # fmt: skip
    lowered = text.strip().lower()
    for level in covariate.levels:
        if level.lower() == lowered:
            return level
    for word, level in covariate.words:
        if word == lowered:
            return level
    allowed = ", ".join(covariate.levels)
    hint = (
        " Numbers are ambiguous: write the word, or give codes={'SEX': {0: 'male', 1: 'female'}}." if _is_number(lowered) else ""
    )
    raise InvalidData(f"{where}: {name} = '{text}' is not one of {allowed}.{hint}{close_names(text, covariate.levels)}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
