"""A plot an experiment: a dot a seed, a line at the mean, dashed the bare model. Costs a second, for matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evidence.arms import MEASURES, Experiment
from evidence.judging import Group

DOT, MEAN, BARE = "#5b7fb4", "#1f3556", "#999999"


def draw(experiment: Experiment, groups: dict[str, Group], bare: dict[str, float], path: Path) -> None:
    """Write the plot as SVG; the same results give the same file with the same matplotlib."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": experiment.name, "font.size": 8}):
        figure = Figure(figsize=(3.2 * len(experiment.plotted) + 2.2, 0.24 * len(groups) + 0.8), layout="constrained")
        panels = figure.subplots(1, len(experiment.plotted), sharey=True, squeeze=False)[0]
        for panel, measure in zip(panels, experiment.plotted, strict=True):
            _panel(panel, measure, list(groups.values()), bare.get(measure))
        panels[0].set_yticks(range(len(groups)), labels=list(groups))
        panels[0].invert_yaxis()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _panel(panel: Any, measure: str, groups: list[Group], bare: float | None) -> None:
    for row, group in enumerate(groups):
        values = group.values(measure)
        panel.plot(values, [row] * len(values), "o", color=DOT, markersize=4, alpha=0.7)
        if values:
            panel.plot([group.mean(measure)], [row], "|", color=MEAN, markersize=12)
    if bare is not None:
        panel.axvline(bare, linestyle="--", linewidth=0.8, color=BARE)
    panel.set_title(MEASURES[measure])
    panel.grid(axis="x", linewidth=0.3)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
