"""Writes what the race with mrgsolve needs: models, doses and people of benchmarks/engine.py. Run: python benchmarks/mrgsolve/write.py"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from engine import setting  # noqa: E402

from ketasim.exchange import dataset, export_mrgsolve  # noqa: E402
from ketasim.exchange._people import columns  # noqa: E402

PEOPLE = 64


def main() -> None:
    """Write three files per model."""
    for name in ("study", "ketasim_reference"):
        model, template, params, _ = setting(name, PEOPLE)
        text = export_mrgsolve(model)
        stem = HERE / model.id.partition("@")[0]
        stem.with_suffix(".cpp").write_text(text, encoding="utf-8")
        reference = {key: np.array([column.value]) for key, column in columns(model).items()}
        doses = dataset(model, template.take(slice(0, 1)), reference).drop(columns=["ID", *reference])
        doses.to_csv(stem.with_suffix(".doses.csv"), index=False)
        people = {f"TV_{k}" if f"\nTV_{k} : " in text else k: values for k, values in params.items()}
        pd.DataFrame({"ID": np.arange(1, PEOPLE + 1), **people}).to_csv(stem.with_suffix(".people.csv"), index=False)
        print(f"{stem.name}: {len(model.states)} states, {len(doses)} dose records, {PEOPLE} people")


if __name__ == "__main__":
    main()
