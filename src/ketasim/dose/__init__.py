"""Regimens and their text grammar, salts and racemate, NONMEM event tables."""

from ketasim.dose._beside import Beside, Substance, add_drugs, remove_drugs, substances
from ketasim.dose._drugs import ANALYTES, DEVICE_MG, DRUGS, FORMS, ROUTES, has_molar_mass, molar_mass, salt_factor
from ketasim.dose._files import read_arms, write_arms
from ketasim.dose._gaps import INTERPOLATIONS, check_interpolation, filled
from ketasim.dose._grammar import parse, parse_arms, with_drug
from ketasim.dose._nonmem import EventData, EventGroup, read_events, write_events
from ketasim.dose._quantity import Quantity
from ketasim.dose._regimen import WEEK_DAYS, Dose, Item, Regimen, Schedule
from ketasim.dose._resolve import resolve
from ketasim.dose._template import EventTemplate

__all__ = [
    "ANALYTES",
    "DEVICE_MG",
    "DRUGS",
    "FORMS",
    "INTERPOLATIONS",
    "ROUTES",
    "WEEK_DAYS",
    "Beside",
    "Dose",
    "EventData",
    "EventGroup",
    "EventTemplate",
    "Item",
    "Quantity",
    "Regimen",
    "Schedule",
    "Substance",
    "add_drugs",
    "check_interpolation",
    "filled",
    "has_molar_mass",
    "molar_mass",
    "parse",
    "parse_arms",
    "read_arms",
    "read_events",
    "remove_drugs",
    "resolve",
    "salt_factor",
    "substances",
    "with_drug",
    "write_arms",
    "write_events",
]
