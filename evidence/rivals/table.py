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
SPEED, GROWTH, LOSS = "speed", "extra memory, MB", "held-out loss"
LIKELY = "Likely reason, not tested:"
CLEARLY_LESS = 0.999  # of our loss
COLUMNS: dict[str, Callable[[Result], float]] = {
    SPEED: lambda one: one.tokens_a_cpu_s,
    GROWTH: lambda one: one.growth_mb,
    LOSS: lambda one: one.held_out_loss,
    "text trained": lambda one: one.share_trained,
    "line ends": lambda one: one.line_ends,
}
_BY_DTYPE = (SPEED, GROWTH)  # the others hardly depend on it: those of float32 are shown
_SHARES = {"text trained", "line ends"}
_DIGITS = {LOSS: 3, SPEED: 2}
_TITLES: dict[Kind, str] = {"rows": "Rows", "text": "Raw text"}
_Of = dict[str, list[Result]]  # by number type


def section(folder: Path = RESULTS) -> str:
    """The whole section; without results nothing."""
    results = read(folder)
    if not results:
        return ""
    parts = [OPENING.read_text(encoding="utf-8")]
    for kind in KINDS:
        parts.append(
            _table(kind, {dtype: [r for r in results if (r.kind, r.dtype) == (kind, dtype)] for dtype in DTYPES})
        )
    parts += [_installing(results), _made_with(results)]
    return "\n".join(parts)


def _table(kind: Kind, results: _Of) -> str:
    columns = [
        (name, dtype)
        for name in COLUMNS
        if kind == "text" or name != "line ends"
        for dtype in (DTYPES if name in _BY_DTYPE else DTYPES[:1])
    ]
    head = ["trainer", *(f"{name}, {dtype}" if name in _BY_DTYPE else name for name, dtype in columns)]
    lines = [f"### {_TITLES[kind]}\n", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [_row(contender, kind, columns, results) for contender in CONTENDERS]
    return "\n".join([*lines, "", *_ahead(kind, results), *_looks(results), ""])


def _looks(results: _Of) -> list[str]:
    """What our looks at the run's health cost, and the speed without them."""
    shown = []
    for dtype, found in results.items():
        looked = [one for one in _of(TRAINING_PRO, found) if one.looks_cpu_s]
        bare = {one.round: one.tokens_a_cpu_s for one in _of(BARE, found) if not one.why_not}
        without = [r.tokens / (r.loop_cpu_s - r.looks_cpu_s) / bare[r.round] for r in looked if r.round in bare]
        if without:
            share = median(one.looks_cpu_s / one.loop_cpu_s for one in looked)
            shown.append(f"{100 * share:.0f} % in {dtype} (speed without it: {median(without):.2f})")
    if not shown:
        return []
    return [
        "- Ours also checks the run's health: does the LoRA make the model worse? That takes a part of the time: "
        f"{', '.join(shown)}. The checks become rarer, so a longer run loses less."
    ]


def _row(contender: Contender, kind: Kind, columns: list[tuple[str, str]], results: _Of) -> str:
    own = {dtype: _of(contender, found) for dtype, found in results.items()}
    if not any(not one.why_not for found in own.values() for one in found):
        every = [one for found in own.values() for one in found]
        return f"| {title(contender)} | {_why_not(contender, kind, every)} |{' |' * (len(columns) - 1)}"
    cells = []
    for name, dtype in columns:
        if name == SPEED:
            values = shares(contender, BARE, SPEED, results[dtype])
        else:
            values = [COLUMNS[name](one) for one in own[dtype] if not one.why_not]
        cells.append(_spread(values, name))
    return f"| {title(contender)} | {' | '.join(cells)} |"


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


def _ahead(kind: Kind, results: _Of) -> list[str]:
    """Who is faster than ours, needs less memory or learned more, with the reasons."""
    faster = _by_reason(SPEED, lambda share: share > 1, results, lambda one: one.why_faster.get(kind, NO_REASON))
    smaller = _by_reason(GROWTH, lambda share: share < 1, results, lambda one: one.why_smaller.get(kind, NO_REASON))
    lines = [f"- **Faster than ours**: {'; '.join(who)}. {LIKELY} {why}." for why, who in faster.items()]
    lines += [f"- **Less extra memory than ours**: {'; '.join(who)}. {LIKELY} {why}." for why, who in smaller.items()]
    learned = _by_reason(LOSS, lambda share: share < CLEARLY_LESS, results, lambda _: "")
    if learned:
        names = "; ".join(who.split(" (")[0] for who in learned[""])
        lines.append(
            f"- **A lower held-out loss than ours**: {names}. Each trainer orders the data in another way, so a small "
            "difference may be luck."
        )
        if kind == "rows":
            lines[-1] += " A trainer that trains only the answers has an advantage, because we measure the answers."
    return lines


def _by_reason(
    column: str, is_ahead: Callable[[float], bool], results: _Of, why: Callable[[Contender], str]
) -> dict[str, list[str]]:
    """Those ahead of ours, each with its figures by number type ("TRL (1.10 times in float32)"), by the reason."""
    found: dict[str, list[str]] = {}
    for contender in CONTENDERS:
        figures = {
            dtype: median(of)
            for dtype, lines in results.items()
            if contender != TRAINING_PRO and (of := shares(contender, TRAINING_PRO, column, lines))
        }
        ahead = [f"{share:.2f} times in {dtype}" for dtype, share in figures.items() if is_ahead(share)]
        if ahead:
            found.setdefault(why(contender), []).append(f"{contender.name} ({', '.join(ahead)})")
    return found


def _installing(results: list[Result]) -> str:
    lines = ["### From nothing to the first LoRA\n\nReal time on a busy machine: a rough comparison only.\n"]
    lines += ["| environment | venv and pip | first run |", "|---|---|---|"]
    for name in dict.fromkeys(contender.environment for contender in CONTENDERS):
        runs = [one for one in results if one.environment == name and not one.why_not and one.contender != BARE.name]
        if not runs:
            lines.append(f"| {name} | {NOT_RUN} | |")
        else:
            installed = "not measured: it has an installer" if name == WEBUI else f"{runs[0].install_s:.0f} s"
            lines.append(f"| {name} | {installed} | {runs[0].run_s:.0f} s |")
    return "\n".join([*lines, ""])


def _made_with(results: list[Result]) -> str:
    newest = {one.environment: one.versions for one in results}
    shown = "; ".join(f"{name}: {', '.join(f'{k} {v}' for k, v in had.items())}" for name, had in newest.items())
    return f"Versions (the bare loop runs in `{OURS}`): {shown}.\n\n"


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
    return f"{value:,.{_DIGITS.get(column, 0)}f}"
