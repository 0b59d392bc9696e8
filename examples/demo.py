"""The demonstration: nasal esketamine and intravenous ketamine, twice a week for four weeks, in the same 1,000 virtual adults with
treatment-resistant depression who start an antidepressant.

Beside them, what the same regimens do in the brain of the typical adult: read-outs, on which no symptom rests.
Last, the same course of ketamine in every disorder, beside placebo, with how certain each is.
Writes a report, the exposure and the scores of every patient and four figures into ``build/demo`` and says where they lie.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd

import ketasim
from ketasim import library
from ketasim.cli._exposure import show_arms
from ketasim.cli._progress import progress
from ketasim.cli._readouts import show_readouts
from ketasim.cli._show import table
from ketasim.nca import nca_table
from ketasim.report import (
    concentration_figure,
    disorders_figure,
    disorders_rows,
    html_report,
    readout_figure,
    save_figure,
    symptom_figure,
)
from ketasim.results import to_dataframe

ROOT = Path(__file__).parents[1]
ARMS = {
    "nasal esketamine 56 mg": "esketamine nasal 56 mg, 2/week x 4 week",
    "iv ketamine 0.5 mg/kg": "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 4 week",
}
END = 4 * 168.0
#: Read-outs of the cascade in the table; the figure has more, ``ketasim simulate ... --pk cascade/human`` all.
SHOWN = ("occupancy_nmda", "interneuron.occupancy", "glutamate", "mtor", "bdnf", "cortisol", "lhb_bursting", "synaptic_strength")
#: Plausible versions of the model, each a trial of its own.
DRAWS = 100
#: The course shown in every disorder, what it is compared with, people and draws there.
EVERYWHERE = {"placebo": "placebo, 2/week x 4 week", "ketamine": ARMS["iv ketamine 0.5 mg/kg"]}
FEW, FEW_DRAWS = 40, 30
TITLE = "Nasal esketamine and intravenous ketamine, twice a week for four weeks"


def main() -> None:
    """Simulate, show, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("-n", type=int, default=1000, help="virtual adults per arm")
    options.add_argument("--out", type=Path, default=ROOT / "build" / "demo", help="folder of the report")
    options.add_argument("--picture", type=Path, help="also write the figure of the README here")
    chosen = options.parse_args()

    begin = time.perf_counter()
    print(f"Simulating {chosen.n:,} virtual adults for 4 weeks, two regimens ...")
    with progress(2 * chosen.n) as bar:
        results = ketasim.compare(
            ARMS, population="adults", n=chosen.n, seed=1, until=END, disorder="trd", control="new_antidepressant", draws=DRAWS,
            progress=bar, command="make demo",
        )  # fmt: skip
    print(f"... in {time.perf_counter() - begin:.1f} s.\n")
    show_arms(results)

    print("\nWhat the same regimens do in the brain of the typical adult (no symptom above rests on it):")
    brain = ketasim.compare(ARMS, model="cascade/human", n=1, until=END, command="make demo")
    show_readouts(brain, SHOWN)
    save_figure(readout_figure(brain), chosen.out / "brain.png")

    disorders(chosen.out)
    report = html_report(results, chosen.out / "report.html", title=TITLE, command="make demo")
    exposure = pd.concat([nca_table(r, site="venous").assign(arm=label) for label, r in results.items()])
    exposure.to_csv(chosen.out / "exposure_per_patient.csv", index=False)
    scores = pd.concat([to_dataframe(r, "score").assign(arm=label) for label, r in results.items()])
    scores.to_csv(chosen.out / "scores_per_patient.csv", index=False)
    save_figure(symptom_figure(results), chosen.out / "symptoms.png")
    first_day = concentration_figure(results, site="venous", analytes=("ketamine", "norketamine", "hnk"), window=(0.0, 12.0))
    for path in (chosen.out / "concentrations.png", *([chosen.picture] if chosen.picture else [])):
        save_figure(first_day, path)
    print(f"\nDone in {time.perf_counter() - begin:.1f} s. The report: {report}")


def disorders(folder: Path) -> None:
    """The same four weeks in every disorder of the library."""
    print(f"\nThe same 4 weeks of ketamine in every disorder ({FEW} people, {FEW_DRAWS} draws):")
    courses = {
        one.id: ketasim.compare(
            EVERYWHERE, population="adults", n=FEW, seed=1, until=END, disorder=one.id, draws=FEW_DRAWS,
            visits=[0.0, 24.0, 72.0, *(168.0 * week for week in range(1, 5))], command="make demo",
        )
        for one in library.disorders()
    }  # fmt: skip
    head = ("disorder", "scale", "placebo", "ketamine", "difference", "90 % of draws", "evidence")
    cells = [
        (r["disorder"], r["scale"].upper(), f"{r['without']:+.1f}", f"{r['with']:+.1f}", f"{r['change']:+.1f}",
         f"{r['change_low']:+.1f} to {r['change_high']:+.1f}", r["certainty"])
        for r in disorders_rows(courses)
    ]  # fmt: skip
    table(head, cells, "change of the first scale at day 28")
    save_figure(disorders_figure(courses), folder / "disorders.png")


if __name__ == "__main__":
    main()
