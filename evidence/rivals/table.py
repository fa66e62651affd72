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
NOT_RUN, NO_REASON = "not yet run", "no reason found yet"
SPEED, GROWTH, LOSS = "tokens per CPU second", "extra memory, MB", "held-out loss"
LIKELY = "Likely, but not tested:"
CLEARLY_LESS = 0.999  # of our loss
COLUMNS: dict[str, Callable[[Result], float]] = {
    "updates": lambda one: one.updates,
    "tokens": lambda one: one.tokens,
    "tokens trained": lambda one: one.learned / one.tokens,
    "computed per token": lambda one: one.computed / one.tokens,
    SPEED: lambda one: one.tokens_a_cpu_s,
    GROWTH: lambda one: one.growth_mb,
    "peak, MB": lambda one: one.peak_mb,
    "whole run, CPU s": lambda one: one.run_cpu_s,
    LOSS: lambda one: one.held_out_loss,
    "text trained": lambda one: one.share_trained,
    "line ends": lambda one: one.line_ends,
}
_SHARES = {"tokens trained", "text trained", "line ends"}
_DIGITS = {"computed per token": 2, LOSS: 3, SPEED: 1}
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
    head = ["contender", "runs", "speed (bare loop = 1)", *columns]
    lines = [
        f"### {_TITLES[kind].capitalize()}, {dtype} weights\n",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    lines += [_row(contender, kind, columns, results) for contender in CONTENDERS]
    return "\n".join([*lines, "", *_looks(results), *_ahead(kind, results), ""])


def _looks(results: list[Result]) -> list[str]:
    """What our looks at the run's health cost, and the speed without them."""
    looked = [one for one in _of(TRAINING_PRO, results) if one.looks_cpu_s]
    bare = {one.round: one.tokens_a_cpu_s for one in _of(BARE, results) if not one.why_not}
    without = [one.tokens / (one.loop_cpu_s - one.looks_cpu_s) / bare[one.round] for one in looked if one.round in bare]
    if not without:
        return []
    share = median(one.looks_cpu_s / one.loop_cpu_s for one in looked)
    return [
        f"- {100 * share:.0f} % of our time goes into a look at whether the LoRA makes the model worse, which no other "
        "trainer takes: two passes over the blocks of an update, at update 3 and then more and more rarely, so that it "
        f"hardly counts in a longer run. Without it ours has {median(without):.2f} of the bare loop's speed."
    ]


def _row(contender: Contender, kind: Kind, columns: list[str], results: list[Result]) -> str:
    own = _of(contender, results)
    found = [one for one in own if not one.why_not]
    if not found:
        return f"| {title(contender)} | | {_why_not(contender, kind, own)} |{' |' * len(columns)}"
    cells = [_spread([COLUMNS[name](one) for one in found], name) for name in columns]
    speed = _spread(shares(contender, BARE, SPEED, results), "speed")
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
    return "not yet run (needs `WEBUI=folder`)" if contender.environment == WEBUI else NOT_RUN


def shares(contender: Contender, other: Contender, column: str, results: Sequence[Result]) -> list[float]:
    """The column's values as shares of the other's in the same round."""
    of = COLUMNS[column]
    others = {one.round: of(one) for one in _of(other, results) if not one.why_not}
    own = [one for one in _of(contender, results) if not one.why_not and one.round in others]
    return [of(one) / others[one.round] for one in own]


def _ahead(kind: Kind, results: list[Result]) -> list[str]:
    """Who is faster than ours, needs less memory or learned more, with the reasons."""
    lines, learned = [], []
    for contender in (one for one in CONTENDERS if one != TRAINING_PRO and shares(one, TRAINING_PRO, SPEED, results)):
        faster, larger, loss = (
            median(shares(contender, TRAINING_PRO, column, results)) for column in (SPEED, GROWTH, LOSS)
        )
        if faster > 1:
            why = contender.why_faster.get(kind, NO_REASON)
            lines.append(f"- **{contender.name} is {faster:.2f} times as fast as ours**. {LIKELY} {why}.")
        if larger < 1:
            why = contender.why_smaller.get(kind, NO_REASON)
            lines.append(f"- **{contender.name} needs {larger:.2f} times the extra memory of ours**. {LIKELY} {why}.")
        if loss < CLEARLY_LESS:
            learned.append(contender.name)
    if learned:
        lines.append(
            f"- A lower held-out loss than ours: {'; '.join(learned)}. Order of the data and start of the LoRA differ "
            "between trainers, so only several rounds can tell that from luck. A trainer that trains "
            "only the answers has an advantage here: the answers are what is measured."
        )
    return lines


def _installing(results: list[Result]) -> str:
    lines = [
        "### From nothing to the first LoRA\n\nReal time on a busy machine with a package mirror nearby: a rough "
        "comparison only.\n",
        "| environment | venv and pip | first run | minutes |",
    ]
    lines.append("|---|---|---|---|")
    for name in dict.fromkeys(contender.environment for contender in CONTENDERS):
        runs = [one for one in results if one.environment == name and not one.why_not and one.contender != BARE.name]
        if not runs:
            lines.append(f"| {name} | {NOT_RUN} | | |")
        elif name == WEBUI:
            why = "not measured: it has an installer of its own"
            lines.append(f"| {name} | {why} | {runs[0].run_s:.0f} s | |")
        else:
            first, minutes = runs[0], (runs[0].install_s + runs[0].run_s) / 60
            cpu = f" (CPU {first.install_cpu_s:.0f} s)" if first.install_cpu_s else ""
            lines.append(f"| {name} | {first.install_s:.0f} s{cpu} | {first.run_s:.0f} s | {minutes:.1f} |")
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
