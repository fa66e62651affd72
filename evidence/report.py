"""docs/evidence.md from the results: questions with their answers, then a section an experiment.

The page is text made of the results alone, so a test can compare the two; needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evidence.arms import MEASURES, Claim, Comparison, Experiment
from evidence.experiments import EXPERIMENTS
from evidence.judging import Group, Outcome, grouped, outcome, verdict
from evidence.results import RESULTS, Line, current, read
from evidence.rivals import table as rivals

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "evidence.md"
IMAGES = "images/evidence"
BARE = "bare"  # the results of the models without a LoRA
_SHARES = {"recall", "whole_ends"}
_TEXTS = {"kettle": "Kettle House"}

OPENING = Path(__file__).parent / "opening.md"


def page(folder: Path = RESULTS) -> str:
    """The whole page."""
    found = {name: grouped(experiment, current(experiment, folder)) for name, experiment in EXPERIMENTS.items()}
    bare = bare_lines(folder)
    parts = [OPENING.read_text(encoding="utf-8"), _answers()]
    for name, experiment in EXPERIMENTS.items():
        parts.append(_section(experiment, found[name], bare))
    parts += [rivals.section(folder), _how_made(folder)]
    return "".join(parts)


def bare_lines(folder: Path = RESULTS) -> dict[str, Line]:
    """The measures of the bare model, by text."""
    return {str(line.asked["text"]): line for line in read(BARE, folder)}


def write(folder: Path = RESULTS, docs: Path = DOCS) -> None:
    """Write the page and its plots."""
    from evidence.plots import draw

    (docs / PAGE.name).write_text(page(folder), encoding="utf-8")
    bare = bare_lines(folder)
    for name, experiment in EXPERIMENTS.items():
        groups = grouped(experiment, current(experiment, folder))
        if groups:
            line = bare.get(experiment.arms[0].text)
            draw(experiment, groups, line.measures if line else {}, docs / IMAGES / f"{name}.svg")


def _answers() -> str:
    rows = [
        f"| [{experiment.question}](#{_anchor(experiment.title)}) | {experiment.answer} |\n"
        for experiment in EXPERIMENTS.values()
    ]
    return "".join(["## What we found\n\n| question | answer |\n|---|---|\n", *rows, "\n"])


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -")
    return kept.replace(" ", "-")


def _claims(experiment: Experiment, groups: dict[str, Group]) -> str:
    rows = [
        f"| {claim.says} | **{verdict(claim, groups)}** | {_where(claim, groups)} |\n" for claim in experiment.claims
    ]
    return "".join(["| claim | verdict | where clear |\n|---|---|---|\n", *rows, "\n"])


def _where(claim: Claim, groups: dict[str, Group]) -> str:
    """The comparisons that were clear; where none was, all that were made."""
    found: dict[Outcome, list[Comparison]] = {}
    for comparison in claim.comparisons:
        found.setdefault(outcome(comparison, groups), []).append(comparison)
    shown = {result: _named(comparisons) for result, comparisons in found.items()}
    if "as claimed" in shown:
        parts = [("everywhere: " if len(found) == 1 else "") + shown["as claimed"]]
    else:
        parts = [f"nowhere: {shown['no clear difference']}" if "no clear difference" in shown else "nowhere"]
    parts += [f"Clearly the opposite: {shown['the opposite']}"] if "the opposite" in shown else []
    parts += [f"Not yet run: {shown['not yet run']}"] if "not yet run" in shown else []
    return ". ".join(parts)


def _named(comparisons: list[Comparison]) -> str:
    """Both variants of each, with what they share behind them: "PRTS against chunks (context 64; context 128)"."""
    found: dict[str, list[str]] = {}
    for comparison in comparisons:
        better, worse = comparison.better.split(", "), comparison.worse.split(", ")
        shared = [part for part in better if part in worse]
        own, other = (", ".join(part for part in side if part not in shared) for side in (better, worse))
        if not own or not other:
            own, other, shared = comparison.better, comparison.worse, []
        found.setdefault(f"{own} against {other}", []).append(", ".join(shared))
    return "; ".join(f"{sides} ({'; '.join(where)})" if any(where) else sides for sides, where in found.items())


def _section(experiment: Experiment, groups: dict[str, Group], bare: dict[str, Line]) -> str:
    lines = [f"## {experiment.title}\n\n{experiment.about}\n\nRepeat it: `make evidence ONLY={experiment.name}`\n\n"]
    if not groups:
        return "".join([*lines, "**Not yet run.**\n\n"])
    columns = ["variant", *(MEASURES[measure] for measure in experiment.shown)]
    lines.append(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n")
    texts = dict.fromkeys(arm.text for arm in experiment.arms)
    lines += [_bare_row(experiment, text, bare[text], len(texts) > 1) for text in texts if text in bare]
    lines += [_row(experiment, group) for group in groups.values()]
    missing = list(_missing(experiment, groups))
    if missing:
        lines.append(f"\nNot yet run: {'; '.join(missing)}.\n")
    lines.append(f"\n![{experiment.title}]({IMAGES}/{experiment.name}.svg)\n\n")
    lines.append(_claims(experiment, groups))
    return "".join(lines)


def _missing(experiment: Experiment, groups: dict[str, Group]) -> Iterator[str]:
    for arm in experiment.arms:
        done = {line.seed for group in groups.values() for line in group.lines if line.arm == arm.name}
        left = [seed for seed in experiment.seeds if seed not in done]
        if left:
            yield arm.name if not done else f"{arm.name} (seed {', '.join(map(str, left))})"


def _bare_row(experiment: Experiment, text: str, line: Line, named: bool) -> str:
    values = [_number(line.measures[measure], measure) for measure in experiment.shown]
    return f"| *no LoRA{f', {_TEXTS.get(text, text)}' if named else ''}* | {' | '.join(values)} |\n"


def _row(experiment: Experiment, group: Group) -> str:
    cells = [_cell(group, measure) for measure in experiment.shown]
    return f"| {group.name} | {' | '.join(cells)} |\n"


def _cell(group: Group, measure: str) -> str:
    values = group.values(measure)
    if not values:
        return ""
    shown = _number(group.mean(measure), measure)
    if len(values) == 1:
        return shown
    lowest, highest = (_number(end, measure).removesuffix(" %") for end in (min(values), max(values)))
    return f"{shown} [{lowest}..{highest}]"


def _number(value: float, measure: str) -> str:
    return f"{value:.0%}".replace("%", " %") if measure in _SHARES else f"{value:.2f}"


def _how_made(folder: Path) -> str:
    lines = [line for name in (BARE, *EXPERIMENTS) for line in read(name, folder)]
    if not lines:
        return ""
    versions = sorted({", ".join(f"{k} {v}" for k, v in line.versions.items()) for line in lines})
    hours = sum(line.seconds for line in lines) / 3600
    return (
        f"## How it was made\n\n{len(lines)} measurements in {hours:.1f} hours on a busy machine, with "
        f"{'; '.join(versions)}. The measurements are in `evidence/results`, the texts and questions in "
        "`evidence/texts`, the variants in `evidence/experiments`. `python -m evidence report` makes this page again.\n"
    )
