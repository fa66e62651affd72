"""Answers in the order of the questions: a late one to an older question changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.record.test_runs import make_ours
from tests.ui.server import Server
from tests.ui.stand_ins import StandInSession, page
from training_pro.folders import Folders
from training_pro.record.state import RunState
from training_pro.ui.newest import Newest
from training_pro.ui.panels import runs
from training_pro.ui.panels.runs import RunsPanel


def test_a_question_is_overtaken_by_the_next_one_of_the_same_page() -> None:
    newest = Newest()
    first, other = newest.begin(page("a")), newest.begin(page("b"))
    second = newest.begin(page("a"))
    assert first.is_set() and not second.is_set() and not other.is_set()
    newest.end(page("a"), first)
    newest.begin(page("a"))
    assert second.is_set()
    newest.end(page("b"), other)
    newest.begin(page("b"))
    assert not other.is_set()


def panel_of(folders: Folders, names: tuple[str, ...]) -> tuple[RunsPanel, runs._Acts]:
    """The list of finished runs of these names, and what opens one."""
    for name in names:
        make_ours(folders, name, RunState("finished"))
    with gr.Blocks():
        panel = RunsPanel(StandInSession(folders), editable=False)
        panel.build()
    return panel, runs._Acts({"open": panel._open}, panel._newest)


def test_a_comparison_that_comes_late_leaves_the_run_that_was_opened_meanwhile(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, acts = panel_of(folders, ("a", "b", "c"))
    opened: list[dict[Any, Any]] = []
    read = runs.read_run

    def slowly(path: Path) -> Any:
        if path.name == "b" and not opened:
            opened.append({})
            opened.append(acts.do('{"do": "open", "names": ["c"]}', page()))
        return read(path)

    assert "<h2>a and b</h2>" in panel._over(["a", "b"], "epoch", page())[panel.view]
    monkeypatch.setattr(runs, "read_run", slowly)
    assert panel.view not in panel._over(["a", "b"], "epoch", page())
    assert "<h2>c</h2>" in opened[1][panel.view]


def test_a_run_that_comes_late_is_not_shown_over_the_one_that_was_opened_meanwhile(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, acts = panel_of(folders, ("a", "b"))
    opened: list[dict[Any, Any]] = []
    read = runs.read_run

    def slowly(path: Path) -> Any:
        if path.name == "a":
            opened.append(acts.do('{"do": "open", "names": ["b"]}', page()))
        return read(path)

    monkeypatch.setattr(runs, "read_run", slowly)
    assert acts.do('{"do": "open", "names": ["a"]}', page()) == {}
    assert opened[0][panel.open_names] == ["b"]


def test_of_choices_in_a_row_each_is_answered_in_its_turn(server: Server) -> None:
    """What is chosen while an older choice is answered would else be dropped, and the page show what it isn't."""
    blocks: Any = server.page
    chosen = [hooked for hooked in blocks.fns.values() if any(event == "input" for _, event in hooked.targets)]
    served = [hooked for hooked in chosen if hooked.fn is not None and hooked.api_name is not None]
    assert len(served) > 5
    out_of_turn = [hooked.fn.__name__ for hooked in served if hooked.queue and hooked.concurrency_limit != 1]
    assert [hooked.fn.__name__ for hooked in served if hooked.trigger_mode != "multiple"] == out_of_turn == []
