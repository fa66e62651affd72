"""The rivals' part of docs/evidence.md, from the results alone; needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from evidence.results import RESULTS
from evidence.rivals.contenders import BARE, CONTENDERS, DTYPES, KINDS, TRAINING_PRO, Contender, Kind
from evidence.rivals.environments import OURS, WEBUI
from evidence.rivals.results import Result, read

OPENING = Path(__file__).with_name("opening.md")
NOT_RUN = "not yet run"
COLUMNS: dict[str, Callable[[Result], float]] = {
    "updates": lambda one: one.updates,
    "tokens": lambda one: one.tokens,
    "trained of them": lambda one: one.learned / one.tokens,
    "computed for each": lambda one: one.computed / one.tokens,
    "tokens a CPU second": lambda one: one.tokens_a_cpu_s,
    "memory growth, MB": lambda one: one.growth_mb,
    "peak, MB": lambda one: one.peak_mb,
    "whole run, CPU s": lambda one: one.run_cpu_s,
    "held-out loss": lambda one: one.held_out_loss,
    "text trained": lambda one: one.share_trained,
    "line ends": lambda one: one.line_ends,
}
_SHARES = {"trained of them", "text trained", "line ends"}
_DIGITS = {"computed for each": 2, "held-out loss": 3, "tokens a CPU second": 1}
_TITLES: dict[Kind, str] = {"rows": "rows", "text": "raw text"}


def section(folder: Path = RESULTS) -> str:
    """The whole section; without results nothing."""
    results = read(folder)
    if not results:
        return ""
    parts = [OPENING.read_text(encoding="utf-8")]
    for kind in KINDS:
        for dtype in DTYPES:
            parts.append(_table(kind, dtype, [one for one in results if (one.kind, one.dtype) == (kind, dtype)]))
    parts += [_installing(results), _made_with(results)]
    return "\n".join(parts)


def _table(kind: Kind, dtype: str, results: list[Result]) -> str:
    columns = [name for name in COLUMNS if kind == "text" or name != "line ends"]
    head = ["contender", "runs", "of the bare loop's speed", *columns]
    lines = [
        f"### {_TITLES[kind].capitalize()}, {dtype} weights\n",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    lines += [_row(contender, kind, columns, results) for contender in CONTENDERS]
    return "\n".join([*lines, "", *_ahead(kind, results), ""])


def _row(contender: Contender, kind: Kind, columns: list[str], results: list[Result]) -> str:
    own = _of(contender, results)
    found = [one for one in own if not one.why_not]
    if not found:
        return f"| {title(contender)} | | {_why_not(contender, kind, own)} |{' |' * len(columns)}"
    cells = [_spread([COLUMNS[name](one) for one in found], name) for name in columns]
    speed = _spread(speeds(contender, BARE, results), "speed")
    return f"| {title(contender)} | {len(found)} | {speed} | {' | '.join(cells)} |"


def title(contender: Contender) -> str:
    return f"**{contender.name}**" if contender == TRAINING_PRO else contender.name


def _of(contender: Contender, results: Sequence[Result]) -> list[Result]:
    return [one for one in results if one.contender == contender.name]


def _why_not(contender: Contender, kind: Kind, own: list[Result]) -> str:
    way = contender.ways[kind]
    if isinstance(way, str):
        return way
    if own:
        return own[-1].why_not
    return "not run: `WEBUI=folder` was not given" if contender.environment == WEBUI else NOT_RUN


def speeds(contender: Contender, other: Contender, results: Sequence[Result]) -> list[float]:
    """Tokens a CPU second, as a share of the other's in the same round."""
    others = {one.round: one.tokens_a_cpu_s for one in _of(other, results) if not one.why_not}
    own = [one for one in _of(contender, results) if not one.why_not and one.round in others]
    return [one.tokens_a_cpu_s / others[one.round] for one in own]


def _ahead(kind: Kind, results: list[Result]) -> list[str]:
    """Who is faster or needs less memory than ours, with the reason, and who learned more."""
    lines = []
    for contender in CONTENDERS:
        faster = speeds(contender, TRAINING_PRO, results)
        if contender != TRAINING_PRO and faster and median(faster) > 1:
            why = contender.why_faster.get(kind, "no reason found yet")
            lines.append(f"- **{contender.name} is {median(faster):.2f} times as fast as ours**: {why}.")
    ours = [one.growth_mb for one in _of(TRAINING_PRO, results) if not one.why_not]
    for contender in CONTENDERS:
        own = [one.growth_mb for one in _of(contender, results) if not one.why_not]
        if own and ours and median(own) < median(ours):
            lines.append(f"- **{contender.name} needs less memory than ours** ({median(own):,.0f} MB of growth).")
    return lines or (["No contender is faster than ours or needs less memory."] if ours else [])


def _installing(results: list[Result]) -> str:
    lines = [
        "### From nothing to the first LoRA\n",
        "| environment | venv and pip | first run (rows, float32) | minutes |",
    ]
    lines.append("|---|---|---|---|")
    for name in dict.fromkeys(contender.environment for contender in CONTENDERS):
        runs = [one for one in results if one.environment == name and not one.why_not and one.contender != BARE.name]
        if not runs:
            lines.append(f"| {name} | {NOT_RUN} | | |")
        elif name == WEBUI:
            lines.append(f"| {name} | not measured: its installer brings conda and more | {runs[0].run_s:.0f} s | |")
        else:
            minutes = (runs[0].install_s + runs[0].run_s) / 60
            lines.append(f"| {name} | {runs[0].install_s:.0f} s | {runs[0].run_s:.0f} s | {minutes:.1f} |")
    return "\n".join([*lines, ""])


def _made_with(results: list[Result]) -> str:
    newest = {one.environment: one.versions for one in results}
    shown = "; ".join(f"{name}: {', '.join(f'{k} {v}' for k, v in had.items())}" for name, had in newest.items())
    return f"With {shown} (`{OURS}` is the bare loop's environment too).\n\n"


def _spread(values: list[float], column: str) -> str:
    """The median, and where there are several values, the lowest and the highest."""
    if not values:
        return ""
    shown = _number(median(values), column)
    ends = [_number(end, column) for end in (min(values), max(values))]
    return shown if ends[0] == ends[1] else f"{shown} [{ends[0]}..{ends[1]}]"


def _number(value: float, column: str) -> str:
    if column in _SHARES:
        return f"{value:.1%}".replace("%", " %").replace(".0 ", " ")
    return f"{value:,.{_DIGITS.get(column, 2 if column == 'speed' else 0)}f}"
