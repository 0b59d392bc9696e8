"""What a notebook shows, and what completion offers."""

from __future__ import annotations

import ketasim


def test_nouns_show_themselves_in_notebooks() -> None:
    regimen = ketasim.parse("esketamine nasal 56 mg, 2/week x 4 week")
    people = ketasim.population("adults").sample(20, seed=1)
    model = ketasim.simulation.as_model("pk/otto2021")
    adults = ketasim.population("adults")
    for thing, word in ((regimen, "8 doses in all"), (people, "20 patients"), (model, "CL"), (adults, "adults@1")):
        page = thing._repr_html_()
        assert word in page and "<pre>" in page


def test_completion_offers_the_verbs() -> None:
    assert {"simulate", "compare", "run", "parse", "population", "assemble", "Scenario"} <= set(dir(ketasim))
