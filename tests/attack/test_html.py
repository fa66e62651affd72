"""Names, texts, samples, notes and errors are shown on the page, never run: every HTML builder, read and called."""

from __future__ import annotations

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import training_pro
from tests.promises import Cases
from tests.record.adapters import make_adapter
from tests.ui.made import NASTY, points, preview
from tests.ui.stand_ins import StandInRun, StandInSession
from training_pro.asking.job import Answer, Asked
from training_pro.asking.question import Question, Voice
from training_pro.folders import Folders
from training_pro.queue.entry import Entry
from training_pro.record.history import Event
from training_pro.record.runs import list_runs, read_run
from training_pro.settings import Settings
from training_pro.training.status import Ending
from training_pro.ui.panels.readiness import host_line
from training_pro.ui.views import markup
from training_pro.ui.views.answers import answers_view
from training_pro.ui.views.chart import Axis, Chart, Curve, Mark, Tip, draw
from training_pro.ui.views.preview import preview_view
from training_pro.ui.views.queue import experiment_view, queue_table
from training_pro.ui.views.runs import comparison, comparison_page, run_in_full, runs_table
from training_pro.ui.views.samples import samples_view
from training_pro.ui.views.status import checkpoint_list, run_status

pytestmark = pytest.mark.promise("no one in")
UI = Path(training_pro.__file__).parent / "ui"
ESCAPING = ("text(", "box(", "facts(", "table(", "icon(", "number(", "time_words(", "''.join(")
NUMBERS = re.compile(r"f'[.,\d]*[fgde%]?'$")
# What is HTML already, made by the functions around it, and words of the page's own.
MADE_HERE = {
    "live.py": {"html"},  # a view's own
    "panels/after.py": set(),
    "views/chart.py": {
        "_legend(chart)", "names", "plot", "_VIEW", "path", "grid", "uprights", "lines", "kind", "side", "named",
        "mark", "curve.style", "_curve_path(chart.x, curve)", "style",
    },
    "views/markup.py": {"name", "more", "cells", "head", "body", "tone", "role", "paragraphs", "looks", "hand", "now"},
    "views/perplexity.py": {"str(status.running).lower()"},
    "views/preview.py": {
        "_head(preview, count)", "legend", "border", "_tokens(preview, borders, words)", "spans", "cut", "words",
        "' '.join(styles)", "token.id", "style",
    },
    "views/queue.py": {"fault", "shown", "head", "lines", "row", "buttons"},
    "views/runs.py": {
        "head", "name", "_PLAIN", "(ASSETS / 'tab.css').read_text(encoding='utf-8')", "comparison(records)", "lines",
        "len(there)", "len(rows)", "heads", "body", "_origin(run)", "len(cells)", "cell", "_not_whole(found.complete)",
        "_overlay(records, over)", "_differences(records)", "last_samples(_answered(records))", "_tags(run)", "marks",
        "row", "fault if run.fault else ''", "worse", "chip", "title", "state", "place % COLOURS",
    },
    "views/samples.py": {
        "_saved(update in saved)", "_answer(answers[prompt][max(answers[prompt])])", "frames",
        "films", "_answer(answers[update])",
    },
    "views/status.py": {
        "count", "lines", "share", "left", "loss", "_run_line(run)", "model", "lora", "used", "parts", "warning",
        "presses",
        "classes", "target", "_bar(status)", "tone", "spoilt", "heros", "facts", "name",
        "_place(run)", "_ended_aside(points)", "warnings",
        "curve", "details if curve else ''", "'tp-lesser' if name in _LESSER else ''",
    },
    "panels/ask.py": {"_SLOT"},
    "panels/questions.py": {"str(status.running).lower()"},
    "panels/runs.py": {"ticked", "_SEARCH", "folder"},
    "panels/lora_tools.py": {"_EXPLAINED[tool]"},
    "views/answers.py": {
        "busy", "frames", "_below(asked)", "chosen", "facts", "_words(answer)", "_vote_button(asked, place)", "written",
        "hand_button('Cancel', HAND, CANCEL)", "vote", "hand_button('Reveal', HAND, REVEAL)", "counted", "said",
    },
    "views/export.py": {"shown"},
    "views/check.py": {
        "what", "words", "one.tone", "role", "len(rest)", "cells", "tone", "chip", "head", "takes",
        "updates", "of", "said", "memory_meter(checked.memory)", "gigabytes(need)",
        "remarks", "SPEED_BUTTON", "REMARKS_HAND", "late", "place", "press", "remark(one)", "link", "shown",
        "rows", "more_remarks(told[MOST_REMARKS:])", "button", "NOT_CHECKED",
    },
    "views/columns.py": {
        "rows", "USE", "KEEP", "place", "name", "options", "known", "' selected' if known == chosen else ''",
    },
    "views/schedule.py": {"verticals", "line", "words", "said", "place"},
}  # fmt: skip


def written(part: ast.expr) -> str:
    """The words of a part of an f-string that stand there as they are."""
    return str(part.value) if isinstance(part, ast.Constant) else ""


def holes(code: str) -> list[str]:
    """What is put into the f-strings of `code` that write HTML, with its format."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.JoinedStr) and "<" in "".join(map(written, node.values)):
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    found.append(ast.unparse(part.value) + (ast.unparse(part.format_spec) if part.format_spec else ""))
    return found


def unescaped(code: str, known: set[str]) -> list[str]:
    return [hole for hole in holes(code) if not (hole.startswith(ESCAPING) or NUMBERS.search(hole) or hole in known)]


@pytest.mark.parametrize("path", sorted(UI.rglob("*.py")), ids=lambda path: path.relative_to(UI).as_posix())
def test_whatever_is_put_into_html_is_escaped(path: Path, cases: Cases) -> None:
    code = path.read_text(encoding="utf-8")
    wrong = unescaped(code, MADE_HERE.get(path.relative_to(UI).as_posix(), set()))
    for _ in holes(code):
        cases.count(not wrong)
    assert not wrong, f"{path.name} puts {wrong} into HTML; send it through markup.text"


def test_the_reader_of_code_sees_what_is_not_escaped() -> None:
    assert unescaped('f"<p>{name}</p>"', set()) == ["name"]
    assert unescaped('f"<p>{text(name)}{share:.1f}</p>"', set()) == []


class Tags(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        here = tag == "a" and attrs == [("href", "#tp-status")]  # a link within the page, its address our own
        if tag in ("img", "script", "iframe", "a", "object", "form", "input") and not here:
            self.bad.append(tag)
        self.bad += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]


def run_there(folders: Folders, name: str) -> None:
    """A run whose every file says something nasty."""
    folder = make_adapter(folders.loras / name, base_model_name_or_path=NASTY)
    (folder / "training_parameters.json").write_text(json.dumps({"name": NASTY, "hard_cut": NASTY, NASTY: NASTY}))
    state = {"state": "failed", "reason": NASTY, "base_model": NASTY, "started": NASTY, "update": 1, "total_updates": 2}
    (folder / "training_state.json").write_text(json.dumps(state))
    lines: list[dict[str, Any]] = [
        {"update": 1, "epoch": 0.1, "loss": 1.0, "smoothed_loss": 1.0, "learning_rate": 1e-4}
    ]
    for kind in ("sample", "checkpoint", NASTY):
        details = {"prompt": NASTY, "answer": NASTY, "samples": [{"prompt": NASTY, "answer": NASTY}]}
        lines.append({"event": kind, "update": 1, "text": NASTY, "details": details, "at": NASTY})
    lines.append({"event": "checkpoint", "update": NASTY, "text": NASTY})
    (folder / "training_history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "notes.md").write_text(NASTY)
    checkpoint = make_adapter(folder / f"checkpoint-1-{NASTY.replace('/', '')}")
    (checkpoint / "training_checkpoint.json").write_text(json.dumps({"update": 1, "reason": NASTY}))


def pages(folders: Folders) -> dict[str, str]:
    """Every view with nasty words in every place that takes words."""
    for name in ("one", f"a{NASTY.replace('/', '')}"):
        run_there(folders, name)
    (folders.loras / "link").symlink_to(folders.loras / "one", target_is_directory=True)
    records = [read_run(folders.loras / "one"), read_run(folders.loras / f"a{NASTY.replace('/', '')}")]
    session = StandInSession(folders)
    session.host.label = NASTY
    session.host.stands = NASTY
    run = StandInRun(folders, Settings(name=NASTY), phase=NASTY, notes=(NASTY,), progress=(1, 2, NASTY))
    session.run = run
    ended = StandInRun(folders, Settings(name=NASTY), phase="ended", ending=Ending("failed", NASTY))
    events = tuple(
        Event(kind, 1, NASTY, {"prompt": NASTY, "answer": NASTY}, NASTY) for kind in ("sample", "checkpoint")
    )
    entry = Entry(Settings(name=NASTY), reason=NASTY, experiment=NASTY, state="failed")
    view = SimpleNamespace(entries=(entry,), waiting=(), stopping=False, going=False, fault=NASTY)
    voice = Voice(NASTY)
    asked = Asked(Question(NASTY, (voice,)), (Answer(voice, NASTY, "failed", fault=NASTY),), False, NASTY, NASTY)
    axis, line = Axis(0, 1), np.array([0.0, 1.0])
    tips = [Tip(0.5, NASTY, (("loss", NASTY, NASTY),))]
    names = {"x_name": NASTY, "left_name": NASTY, "right_name": NASTY}
    curves = [Curve(NASTY, "loss", line, line, axis)]
    chart = Chart(axis, axis, curves, axis, [Mark(0.5, NASTY)], tips, [(0.5, NASTY)], **names)
    return {
        "list of runs": runs_table(list_runs(folders)),
        **{f"run {number}": run_in_full(record) for number, record in enumerate(records)},
        "comparison": comparison(records),
        "comparison as a page": comparison_page(NASTY, records),
        "status": run_status(run),
        "status of an ended run": run_status(ended),
        "host": host_line(session),
        "checkpoints": checkpoint_list(events),
        "samples": samples_view(events),
        "queue": queue_table(view),
        "experiment": experiment_view(NASTY, [folders.loras / "one", folders.loras / NASTY]),
        "answers": answers_view(asked),
        "preview": preview_view(preview([NASTY, "b"], source=NASTY), 1),
        "chart": draw(chart),
        "box": markup.box("info", [NASTY, f"a\n{NASTY}"]),
        "facts": markup.facts([(NASTY, NASTY)]),
        "table": markup.table([NASTY], [[NASTY]]),
        "points": str(len(points([1.0]))),
    }


def test_no_view_lets_anything_run(folders: Folders, cases: Cases) -> None:
    wrong = {}
    made = pages(folders)
    for name, page in made.items():
        tags = Tags()
        tags.feed(page)
        cases.count(not tags.bad)
        if tags.bad or NASTY in page:
            wrong[name] = tags.bad
    assert not wrong
    assert sum("&lt;img" in page for page in made.values()) > 12, "the nasty words are shown"
