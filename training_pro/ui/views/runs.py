"""Runs as HTML: the list with its small curves, one run in full, several side by side. No gradio."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training_pro.errors import UserError
from training_pro.legacy_settings import settings_from
from training_pro.record.points import Points, thin
from training_pro.record.runs import RunRecord, RunSummary
from training_pro.settings import DEFAULTS, SPECS, to_dict
from training_pro.ui.views.axis import Axis, axis_for
from training_pro.ui.views.chart import Chart, Curve, Tip, draw, sparkline
from training_pro.ui.views.markup import box, facts, number, text
from training_pro.ui.views.run_chart import run_chart
from training_pro.ui.views.samples import samples_view
from training_pro.ui.views.status import checkpoint_list

COLOURS = 12
_CURVE_POINTS = 250
_ORIGINS = {"ours": "", "original": "original extension", "webui": "WebUI trainer", "other": "LoRA"}
ASSETS = Path(__file__).resolve().parents[2] / "assets"
_PLAIN = """
:root { --body-text-color-subdued: #555; --border-color-primary: #ddd; }
:root { --background-fill-primary: #fff; --background-fill-secondary: #f4f4f5; }
body { font-family: system-ui, sans-serif; padding: 16px; }
"""
_HEADS = ("Name", "Loss", "State", "Updates", "Last smoothed loss", "Best evaluation", "Model", "Begun")


def runs_table(runs: Sequence[RunSummary]) -> str:
    """The list, a line a run."""
    if not runs:
        return '<p class="tp-none">There is no LoRA yet.</p>'
    head = "".join(f"<th>{name}</th>" for name in _HEADS)
    return f'<div class="tp-scroll"><table class="tp-table"><tr>{head}</tr>{"".join(map(_line, runs))}</table></div>'


def run_in_full(record: RunRecord) -> str:
    """One run: result, settings that differ from the defaults, curve, checkpoints, samples."""
    run = record.summary
    pairs = [
        ("State", _state(run)),
        ("Updates", _updates(run)),
        ("Last smoothed loss", number(run.last_loss)),
        ("Best evaluation", number(run.best_eval_loss)),
        ("Model", run.base_model or "–"),
        ("Begun", _date(run.created)),
    ]
    return "".join(
        (
            f'<p class="tp-headline"><b>{text(run.name)}</b></p>',
            box("warning", run.fault),
            facts(pairs),
            f'<p class="tp-path">{text(run.path)}</p>',
            box("info", run.reason),
            _settings(record.settings),
            run_chart(record.history.points, record.history.events),
            _checkpoints(record),
            samples_view(record.history.events),
        )
    )


def comparison(records: Sequence[RunRecord], over_epochs: bool = False) -> str:
    """Curves over each other, then the settings in which the runs differ, then their samples."""
    return f"{_overlay(records, over_epochs)}{_differences(records)}{_samples(records)}"


def comparison_page(title: str, records: Sequence[RunRecord]) -> str:
    """The same as a file of its own, for a browser."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{text(title)}</title>'
        f"<style>{_PLAIN}{(ASSETS / 'tab.css').read_text(encoding='utf-8')}</style>"
        f'<body class="training-pro"><h1>{text(title)}</h1>{comparison(records)}</body></html>'
    )


def shown_settings(record: RunRecord) -> dict[str, Any]:
    """A run's settings in our terms; {} where they can't be read."""
    try:
        return to_dict(settings_from(record.settings)[0]) if record.settings else {}
    except UserError:
        return {}


def _line(run: RunSummary) -> str:
    cells = [
        f"<b>{text(run.name)}</b>{_origin(run)}",
        sparkline(run.sparkline) or "–",
        text(_state(run)),
        text(_updates(run)),
        number(run.last_loss),
        number(run.best_eval_loss),
        text(run.base_model or "–"),
        text(_date(run.created)),
    ]
    fault = f'<tr><td colspan="{len(cells)}">{box("warning", run.fault)}</td></tr>' if run.fault else ""
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"</tr>{fault}"


def _origin(run: RunSummary) -> str:
    origin = _ORIGINS[run.origin]
    return f" <small>{text(origin)}</small>" if origin else ""


def _state(run: RunSummary) -> str:
    return "–" if run.state == "foreign" else run.state


def _updates(run: RunSummary) -> str:
    return (
        f"{run.updates:,} / {run.total_updates:,}" if run.total_updates else f"{run.updates:,}" if run.updates else "–"
    )


def _date(created: str) -> str:
    return created[:16].replace("T", " ") or "–"


def _settings(settings: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{text(SPECS[name].label if name in SPECS else name)}</td><td>{text(_value(value))}</td></tr>"
        for name, value in settings.items()
        if name not in DEFAULTS or value != DEFAULTS[name]
    ]
    if not rows:
        return ""
    return (
        f'<details class="tp-more"><summary>{len(rows)} settings that differ from the defaults</summary>'
        f'<div class="tp-scroll"><table class="tp-table">{"".join(rows)}</table></div></details>'
    )


def _value(value: Any) -> str:
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return written if len(written) <= 300 else written[:297] + "..."


def _checkpoints(record: RunRecord) -> str:
    there = record.summary.checkpoints
    if not there:
        return checkpoint_list(record.history.events)
    lines = "".join(
        f"<li><b>{text(found.path.name)}</b> {text(found.reason)}{_not_whole(found.complete)}</li>" for found in there
    )
    return f'<details class="tp-more"><summary>Checkpoints: {len(there)}</summary><ul>{lines}</ul></details>'


def _not_whole(complete: bool) -> str:
    return "" if complete else " <small>(can't resume exactly)</small>"


def _overlay(records: Sequence[RunRecord], over_epochs: bool) -> str:
    over = "epoch" if over_epochs else "update"
    drawn = [record for record in records if len(record.history.points)][:COLOURS]
    if not drawn:
        return '<p class="tp-none">None of these runs has a curve.</p>'
    thinned = [_thinned(record.history.points) for record in drawn]
    left = axis_for([points.column("smoothed_loss") for points in thinned])
    last = max(float(points.column(over)[-1]) for points in thinned)
    curves = [
        Curve(record.summary.name, f"c{place}", points.column(over), points.column("smoothed_loss"), left)
        for place, (record, points) in enumerate(zip(drawn, thinned, strict=True))
    ]
    tips = [_tip(at, curves, over) for at in np.linspace(0, last, 60)]
    x = Axis(0.0, last if over_epochs else max(last, 1.0))
    return draw(Chart(x=x, left=left, curves=curves, tips=tips, x_name=over, left_name="smoothed loss"))


def _thinned(points: Points) -> Points:
    kept = np.array([point.update for point in thin(points, _CURVE_POINTS, "smoothed_loss")], dtype=float)
    return points.at(np.searchsorted(points.column("update"), kept))


def _tip(at: float, curves: Sequence[Curve], over: str) -> Tip:
    lines = []
    for curve in curves:
        inside = curve.x[0] <= at <= curve.x[-1]
        value = float(curve.y[min(int(np.searchsorted(curve.x, at)), len(curve.y) - 1)]) if inside else float("nan")
        lines.append((curve.style, curve.label, number(value)))
    return Tip(float(at), f"{over.capitalize()} {number(at, 2) if over == 'epoch' else f'{at:,.0f}'}", tuple(lines))


def _differences(records: Sequence[RunRecord]) -> str:
    settings = [shown_settings(record) for record in records]
    names = [name for name in SPECS if name != "name" and len({str(one.get(name)) for one in settings}) > 1]
    heads = "".join(f"<th>{text(record.summary.name)}</th>" for record in records)
    rows = [("Last smoothed loss", [number(record.summary.last_loss) for record in records])]
    rows.append(("Best evaluation", [number(record.summary.best_eval_loss) for record in records]))
    rows.append(("Updates", [_updates(record.summary) for record in records]))
    rows += [(SPECS[name].label, [_value(one[name]) if name in one else "–" for one in settings]) for name in names]
    body = "".join(
        f"<tr><td>{text(name)}</td>" + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>"
        for name, cells in rows
    )
    return f'<div class="tp-scroll"><table class="tp-table"><tr><th></th>{heads}</tr>{body}</table></div>'


def _samples(records: Sequence[RunRecord]) -> str:
    return "".join(
        f"<h4>{text(record.summary.name)}</h4>{shown}"
        for record in records
        if (shown := samples_view(record.history.events))
    )
