"""docs/evidence.md from the results: the claims with their verdicts, then a table and a plot an experiment.

The page is text made of the results alone, so a test can compare the two; needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evidence.arms import MEASURES, Claim, Comparison, Experiment
from evidence.experiments import EXPERIMENTS
from evidence.judging import Group, grouped, outcome, verdict
from evidence.results import RESULTS, Line, current, read
from evidence.rivals import table as rivals

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "evidence.md"
IMAGES = "images/evidence"
BARE = "bare"  # the results of the models without a LoRA
_SHARES = {"recall", "whole_ends"}

OPENING = Path(__file__).parent / "opening.md"


def page(folder: Path = RESULTS) -> str:
    """The whole page."""
    found = {name: grouped(experiment, current(experiment, folder)) for name, experiment in EXPERIMENTS.items()}
    parts = [OPENING.read_text(encoding="utf-8"), "## The claims\n\n", _claims(found)]
    bare = bare_lines(folder)
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


def _claims(found: dict[str, dict[str, Group]]) -> str:
    """A table of what was tested, and a list of what was not."""
    claims = [(claim, found[name]) for name, experiment in EXPERIMENTS.items() for claim in experiment.claims]
    tested = [(claim, groups) for claim, groups in claims if verdict(claim, groups) != "not yet run"]
    left = [f"- {claim.says}\n" for claim, groups in claims if verdict(claim, groups) == "not yet run"]
    rows = [
        f"| {claim.says} | **{verdict(claim, groups)}** | {_figures(claim, groups)} |\n" for claim, groups in tested
    ]
    table = ["| claim | verdict | figures |\n|---|---|---|\n", *rows, "\n"] if rows else []
    rest = ["Not yet run with 3 seeds, so neither held nor refuted:\n\n", *left, "\n"] if left else []
    return "".join([*table, *rest])


def _figures(claim: Claim, groups: dict[str, Group]) -> str:
    shown = [_comparison(c, groups) for c in claim.comparisons if outcome(c, groups) != "not yet run"]
    left = len(claim.comparisons) - len(shown)
    missing = [f"{left} of {len(claim.comparisons)} comparisons not yet run"] if left and shown else []
    return "; ".join([*shown, *missing])


def _comparison(comparison: Comparison, groups: dict[str, Group]) -> str:
    values = [_number(groups[arm].mean(comparison.measure), comparison.measure) for arm in _arms(comparison)]
    measure = MEASURES[comparison.measure]
    result = {"as claimed": "clear", "the opposite": "clearly the opposite"}.get(
        outcome(comparison, groups), "not clear"
    )
    return f"{measure} {values[0]} ({comparison.better}) and {values[1]} ({comparison.worse}): {result}"


def _arms(comparison: Comparison) -> tuple[str, str]:
    return comparison.better, comparison.worse


def _section(experiment: Experiment, groups: dict[str, Group], bare: dict[str, Line]) -> str:
    lines = [f"## {experiment.title}\n\n{experiment.about}\n\n"]
    if not groups:
        return "".join([*lines, "**Not yet run.**\n\n"])
    columns = ["variant", "seeds", "tokens", *(MEASURES[measure] for measure in experiment.shown)]
    lines.append(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n")
    texts = dict.fromkeys(arm.text for arm in experiment.arms)
    lines += [_bare_row(experiment, text, bare[text], len(texts) > 1) for text in texts if text in bare]
    lines += [_row(experiment, group) for group in groups.values()]
    missing = list(_missing(experiment, groups))
    if missing:
        lines.append(f"\nNot yet run: {'; '.join(missing)}.\n")
    lines.append(f"\n![{experiment.title}]({IMAGES}/{experiment.name}.svg)\n\n")
    return "".join(lines)


def _missing(experiment: Experiment, groups: dict[str, Group]) -> Iterator[str]:
    for arm in experiment.arms:
        done = {line.seed for group in groups.values() for line in group.lines if line.arm == arm.name}
        left = [seed for seed in experiment.seeds if seed not in done]
        if left:
            yield arm.name if not done else f"{arm.name} (seed {', '.join(map(str, left))})"


def _bare_row(experiment: Experiment, text: str, line: Line, named: bool) -> str:
    values = [_number(line.measures[measure], measure) for measure in experiment.shown]
    return f"| *no LoRA{f', {text}' if named else ''}* | | 0 | {' | '.join(values)} |\n"


def _row(experiment: Experiment, group: Group) -> str:
    cells = [_cell(group, measure) for measure in experiment.shown]
    return f"| {group.name} | {len(group.lines)} | {group.tokens:,} | {' | '.join(cells)} |\n"


def _cell(group: Group, measure: str) -> str:
    values = group.values(measure)
    if not values:
        return ""
    shown = _number(group.mean(measure), measure)
    if len(values) == 1:
        return shown
    return f"{shown} [{_number(min(values), measure)}..{_number(max(values), measure)}]"


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
        f"{'; '.join(versions)}. Each is a line of `evidence/results/*.jsonl`, with its settings, seed and seconds. "
        "The texts and questions are in `evidence/texts`, the variants in `evidence/experiments`. "
        "`python -m evidence report` makes this page from the results.\n"
    )
