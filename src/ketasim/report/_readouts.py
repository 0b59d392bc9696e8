"""Figure of what mechanisms make of a dose: occupancies, transmitters, signals and new synapses over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._figures import PALETTE, as_arms, styled
from ketasim.results import dose_times, readout_rows

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panel -> outputs of the cascade in it, in the order of events. Outputs of other models get a panel each.
_PANELS = {
    "receptors blocked, share": ("interneuron.occupancy", "occupancy_nmda", "pyramidal.occupancy"),
    "glutamate and AMPA, over rest": ("glutamate", "ampa"),
    "monoamines, over rest": ("dopamine_pfc", "dopamine_striatum", "serotonin"),
    "signals, over rest": ("mtor", "bdnf", "p_eef2", "igf1"),
    "habenula and cortisol, over rest": ("lhb_bursting", "cortisol"),
    "potentiation and proteins, share": ("potentiation", "proteins"),
    "new synapses and epigenetic store, share": ("synaptic_strength", "epigenetic"),
    "antidepressant-like index": ("antidepressant_like",),
}
_WORDS = {
    "occupancy_nmda": "all (in vivo)", "dopamine_pfc": "dopamine, cortex", "dopamine_striatum": "dopamine, striatum", "p_eef2": "p-eEF2",
    "mtor": "mTOR", "bdnf": "BDNF", "ampa": "AMPA", "igf1": "IGF-1", "lhb_bursting": "bursting of the habenula",
    "synaptic_strength": "new synapses",
}  # fmt: skip
_DASHES = ("-", "--", ":", "-.")
#: After one dose, time is drawn in powers of ten where a run is longer than this, h: some things happen in minutes, others in days.
_LONG = 30.0
_MOST_PANELS = 12


@checked
def readout_figure(results: xr.DataTree | Mapping[str, xr.DataTree]) -> Figure:
    """Medians over people of what mechanisms make of a dose; colours are arms, dashes are outputs. One arm: colours are outputs.

    Raises
    ------
    InvalidOption: no mechanism of the model changes anything.
    """
    arms = as_arms(results)
    changed = {label: {row["name"] for row in readout_rows(result)} for label, result in arms.items()}
    panels = _panels([name for own in changed.values() for name in own])
    if not panels:
        raise InvalidOption("no output of a mechanism changes in these results; simulate e.g. cascade/human.")
    with styled():
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D

        rows = (len(panels) + 1) // 2
        figure = Figure(figsize=(10.0, 2.3 * rows + 0.3), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, 2, squeeze=False).ravel())
        for axis, (title, names) in zip(axes, panels.items(), strict=False):
            _draw(axis, arms, names, changed)
            axis.set_title(title)
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        if len(arms) > 1:
            lines = [Line2D([], [], color=PALETTE[k % 7], lw=2, label=label) for k, label in enumerate(arms)]
            figure.legend(handles=lines, loc="outside upper center", ncols=len(lines))
        return figure


def _panels(names: list[str]) -> dict[str, tuple[str, ...]]:
    """Panels with the outputs that are there; without any of the cascade's, one per output."""
    there = set(names)
    found = {title: tuple(n for n in own if n in there) for title, own in _PANELS.items() if there & set(own)}
    if len(found) < 2:
        return {name: (name,) for name in dict.fromkeys(names)} if len(there) <= _MOST_PANELS else found
    return found


def _draw(axis: Axes, arms: Mapping[str, xr.DataTree], names: tuple[str, ...], changed: Mapping[str, set[str]]) -> None:
    several, end = len(arms) > 1, 0.0
    repeated = any(len(dose_times(result)) > 1 for result in arms.values())
    for k, (label, result) in enumerate(arms.items()):
        group = result["port"].to_dataset()
        for j, name in enumerate(names):
            if name not in changed[label]:
                continue
            array = group[name]
            values = array.sel(quantile=0.5) if "quantile" in array.dims else array.median("subject")
            hours, word = array["time"].to_numpy(), _WORDS.get(name, name.partition(".")[0].replace("_", " "))
            colour, dash = (PALETTE[k % 7], _DASHES[j % 4]) if several else (PALETTE[j % 7], "-")
            axis.plot(hours, values.to_numpy(), color=colour, ls=dash, lw=1.5, label=word)
            end = max(end, float(hours[-1]))
    if end > _LONG and not repeated:
        axis.set_xscale("symlog", linthresh=1.0, linscale=0.8)
        ticks = [t for t in (0.0, 0.5, 1.0, 4.0, 24.0, 72.0, 168.0, 336.0, 672.0) if t <= end]
        axis.set_xticks(ticks, [f"{t:g} h" if t < 48 else f"{t / 24:g} d" for t in ticks])
        axis.minorticks_off()
    elif end > _LONG:
        axis.set_xticks(np.arange(0.0, end + 1.0, 168.0 if end > 200.0 else 24.0))
        axis.xaxis.set_major_formatter(lambda hours, _: f"{hours / 24:g} d")
    axis.set_xlim(0.0, end)
    axis.set_xlabel("h" if end <= _LONG else "")
    _legend(axis, several)


def _legend(axis: Axes, several: bool) -> None:
    """Outputs by colour, or by dashes where colours are arms."""
    from matplotlib.lines import Line2D

    dashes = {str(line.get_label()): line for line in reversed(axis.get_lines())}
    named = [(line, word) for word, line in reversed(dashes.items())]
    handles = [Line2D([], [], color="0.3", ls=line.get_linestyle(), lw=1.5) if several else line for line, _ in named]
    axis.legend(handles, [word for _, word in named], loc="best", frameon=True, framealpha=0.85, edgecolor="none")
