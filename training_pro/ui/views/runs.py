"""Runs as HTML: the list with its small curves, one run in full, several side by side. No gradio."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from training_pro.errors import RunError, UserError
from training_pro.legacy_settings import settings_from
from training_pro.record.history import Event
from training_pro.record.lora_choices import has_weights
from training_pro.record.points import Points, thin
from training_pro.record.runs import RunRecord, RunSummary
from training_pro.record.votes import read_votes, tallies
from training_pro.settings import DEFAULTS, SPECS, to_dict
from training_pro.ui.labels import shown_value
from training_pro.ui.views.answers import tally_words
from training_pro.ui.views.axis import Axis, Floats, axis_for
from training_pro.ui.views.chart import Chart, Curve, Tip, draw, sparkline
from training_pro.ui.views.markup import box, facts, number, text
from training_pro.ui.views.run_chart import run_chart
from training_pro.ui.views.samples import last_samples, samples_view
from training_pro.ui.views.status import checkpoint_list

COLOURS = 12
CAN_RESUME = ("interrupted", "stopped", "failed", "unfinished")
_CURVE_POINTS = 250
_ORIGINS = {"ours": "", "original": "original extension", "webui": "WebUI trainer", "other": "LoRA"}
ASSETS = Path(__file__).resolve().parents[2] / "assets"
_PLAIN = """
:root { --body-text-color-subdued: #555; --border-color-primary: #ddd; }
:root { --background-fill-primary: #fff; --background-fill-secondary: #f4f4f5; }
body { font-family: system-ui, sans-serif; padding: 16px; }
"""
HAND = "runs"
Over = Literal["update", "epoch", "minutes"]
_HEADS = ("", "Name", "", "Loss", "Evaluation", "State", "Updates", "Data", "Rank", "Model", "Started", "")


def runs_table(runs: Sequence[RunSummary]) -> str:
    """The list, a line a run: tick it to compare, open it by its name, and the rest in its menu.

    What a press does is the page's script's (``assets/runs.js``).
    """
    if not runs:
        return '<p class="tp-none">There is no LoRA yet.</p>'
    head = "".join(f"<th>{text(name)}</th>" for name in _HEADS)
    return (
        f'<div class="tp-scroll"><table class="tp-runs"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(map(_line, runs))}</tbody></table></div>"
    )


def run_in_full(record: RunRecord) -> str:
    """One run: result, settings that differ from the defaults, curve, checkpoints, samples."""
    run = record.summary
    pairs = [
        ("State", _state(run)),
        ("Updates", _updates(run)),
        ("Last smoothed loss", number(run.last_loss)),
        ("Best evaluation", number(run.best_eval_loss)),
        ("Model", run.base_model or "–"),
        ("Started", when(run.created)),
    ]
    return "".join(
        (
            f"<h2>{text(run.name)}</h2>",
            box("warning", run.fault),
            facts(pairs),
            f'<p class="tp-path">{text(run.path)}</p>',
            box("info", run.reason),
            _settings(record.settings),
            run_chart(record.history.points, record.history.events),
            _checkpoints(record),
            _votes(run),
            samples_view(record.history.events),
        )
    )


def comparison(records: Sequence[RunRecord], over: Over = "update") -> str:
    """Curves over each other, beside them the settings in which the runs differ, below them their last samples."""
    names = " and ".join(record.summary.name for record in records)
    return (
        f'<h2>{text(names)}</h2><div class="tp-compared"><div>{_overlay(records, over)}</div>'
        f"<div>{_differences(records)}</div></div>{last_samples(_answered(records))}"
    )


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
    name = text(run.name)
    cells = [
        f'<button class="tp-tick" role="checkbox" aria-checked="false" aria-label="Compare {text(run.name)}"></button>',
        f'<button type="button" class="tp-open">{name}</button>{_origin(run)}{_tags(run)}',
        sparkline(run.sparkline),
        _loss(run),
        number(run.best_eval_loss) if run.best_eval_loss is not None else "",
        _state_chip(run),
        text(_updates(run)),
        text(run.data or "–"),
        text(run.rank or "–"),
        text(run.base_model or "–"),
        text(when(run.created)),
        f'<button type="button" class="tp-dots" aria-haspopup="menu" aria-label="More for {name}">⋯</button>',
    ]
    words = " ".join((run.name, run.data, run.base_model, run.state, *run.tags)).lower()
    fault = f'<tr class="tp-fault-row"><td colspan="{len(cells)}">{box("warning", run.fault)}</td></tr>'
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    marks = f'data-run="{name}" data-words="{text(words)}" data-can="{text(" ".join(_possible(run)))}"'
    return f"<tr {marks}>{row}</tr>{fault if run.fault else ''}"


def _possible(run: RunSummary) -> list[str]:
    """What the row's menu offers beside what every run can."""
    can = ["resume"] if run.origin == "ours" and run.state in CAN_RESUME and run.checkpoints else []
    usable = has_weights(run.path)
    can += ["further"] if usable and run.origin == "ours" and run.state in ("finished", "stopped") else []
    can += ["use", "export"] if usable else ["export"] if run.checkpoints else []
    can += ["ask", "measure"] if usable else ["ask"] if run.checkpoints else []
    return can + (["copy"] if run.data or run.rank else [])


def _loss(run: RunSummary) -> str:
    if run.last_loss is None:
        return "–"
    if len(run.sparkline) < 2:
        return f"<b>{number(run.last_loss)}</b>"
    worse = ' class="tp-bad"' if run.last_loss > run.sparkline[0] else ""
    return f"{number(run.sparkline[0], 2)} → <b{worse}>{number(run.last_loss, 2)}</b>"


def _state_chip(run: RunSummary) -> str:
    state = text(_state(run))
    title = text(run.reason)
    chip = ' class="tp-chip tp-red"' if run.state == "failed" else ""
    return f'<span{chip} title="{title}">{state}</span>'


def _tags(run: RunSummary) -> str:
    return "".join(f' <span class="tp-chip">{text(tag)}</span>' for tag in run.tags)


def _origin(run: RunSummary) -> str:
    origin = _ORIGINS[run.origin]
    return f" <small>{text(origin)}</small>" if origin else ""


def _state(run: RunSummary) -> str:
    return {"foreign": "–", "wrong": "went wrong"}.get(run.state, run.state)


def _updates(run: RunSummary) -> str:
    return (
        f"{run.updates:,} / {run.total_updates:,}" if run.total_updates else f"{run.updates:,}" if run.updates else "–"
    )


def when(created: str) -> str:
    """A time as people say it, in this machine's own: "today 18:46", "yesterday 9:05", "2026-11-28"."""
    try:
        at = datetime.fromisoformat(created).astimezone()
    except ValueError:
        return created[:16].replace("T", " ") or "–"
    days = (datetime.now().astimezone().date() - at.date()).days
    if days in (0, 1):
        return f"{'yesterday' if days else 'today'} {at:%H:%M}"
    return f"{at:%Y-%m-%d}"


def _settings(settings: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{text(SPECS[name].label if name in SPECS else name)}</td><td>{text(_value(name, value))}</td></tr>"
        for name, value in settings.items()
        if name not in DEFAULTS or value != DEFAULTS[name]
    ]
    if not rows:
        return ""
    return (
        f'<details class="tp-more"><summary>{len(rows)} settings that differ from the defaults</summary>'
        f'<div class="tp-scroll"><table class="tp-table">{"".join(rows)}</table></div></details>'
    )


def _value(name: str, value: Any) -> str:
    if name in SPECS and isinstance(value, (int, float)):
        value = shown_value(name, value)
    if isinstance(value, float):
        return f"{value:g}"
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


def _overlay(records: Sequence[RunRecord], over: Over) -> str:
    drawn = [record for record in records if len(record.history.points)][:COLOURS]
    if not drawn:
        return '<p class="tp-none">None of these runs has a curve.</p>'
    thinned = [_thinned(record.history.points) for record in drawn]
    left = axis_for([points.column("smoothed_loss") for points in thinned])
    last = max(float(_along(points, over)[-1]) for points in thinned)
    curves = [
        Curve(record.summary.name, f"c{place}", _along(points, over), points.column("smoothed_loss"), left)
        for place, (record, points) in enumerate(zip(drawn, thinned, strict=True))
    ]
    tips = [_tip(at, curves, over) for at in np.linspace(0, last, 60)]
    x = Axis(0.0, max(last, 1.0) if over == "update" else max(last, 1e-6))
    return draw(Chart(x=x, left=left, curves=curves, tips=tips, x_name=over, left_name="smoothed loss"))


def _along(points: Points, over: Over) -> Floats:
    """The axis below: NaN, of measures that were not taken, counts as where the run began."""
    along = points.column("elapsed_s") / 60 if over == "minutes" else points.column(over)
    return np.nan_to_num(along)


def _thinned(points: Points) -> Points:
    kept = np.array([point.update for point in thin(points, _CURVE_POINTS, "smoothed_loss")], dtype=float)
    return points.at(np.searchsorted(points.column("update"), kept))


def _tip(at: float, curves: Sequence[Curve], over: Over) -> Tip:
    lines = []
    for curve in curves:
        inside = curve.x[0] <= at <= curve.x[-1]
        value = float(curve.y[min(int(np.searchsorted(curve.x, at)), len(curve.y) - 1)]) if inside else float("nan")
        lines.append((curve.style, curve.label, number(value)))
    return Tip(float(at), f"{over.capitalize()} {f'{at:,.0f}' if over == 'update' else number(at, 2)}", tuple(lines))


def _differences(records: Sequence[RunRecord]) -> str:
    settings = [shown_settings(record) for record in records]
    names = [name for name in SPECS if name != "name" and len({str(one.get(name)) for one in settings}) > 1]
    heads = "".join(
        f'<th class="tp-c{place % COLOURS}">{text(record.summary.name)}</th>' for place, record in enumerate(records)
    )
    rows = [("Last smoothed loss", [number(record.summary.last_loss) for record in records])]
    rows.append(("Best evaluation", [number(record.summary.best_eval_loss) for record in records]))
    rows.append(("Updates", [_updates(record.summary) for record in records]))
    rows += [
        (SPECS[name].label, [_value(name, one[name]) if name in one else "–" for one in settings]) for name in names
    ]
    body = "".join(
        f"<tr><td>{text(name)}</td>" + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>"
        for name, cells in rows
    )
    return f'<div class="tp-scroll"><table class="tp-table"><tr><th>What differs</th>{heads}</tr>{body}</table></div>'


def _answered(records: Sequence[RunRecord]) -> list[tuple[str, Sequence[Event]]]:
    return [(record.summary.name, record.history.events) for record in records]


def _votes(run: RunSummary) -> str:
    """How blind comparisons with this run's LoRA came out."""
    try:
        found = tallies(read_votes(run.path))
    except RunError as error:
        return box("warning", str(error))
    return box("info", [tally_words(tally) for tally in found])
