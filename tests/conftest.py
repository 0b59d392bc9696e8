"""What holds for every test: no screen, strict JAX, Hypothesis without time limits and with the same examples in every run."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")

# Two shared cores: a deadline would measure the neighbours. Derandomised: a run that passed passes again.
settings.register_profile("ketasim", deadline=None, derandomize=True)
settings.load_profile("ketasim")
