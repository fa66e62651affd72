"""The preview's buttons without a browser: which block they show, and that it is what would be trained now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import page
from tests.ui.views.test_markup import Reader
from training_pro.data.prepare import prepare
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.progress import no_progress
from training_pro.session import Session
from training_pro.ui.form import TEXT as TEXT_KIND
from training_pro.ui.tab import Tab

LONG = "So the fox ran on, " + "and on, " * 60 + "home."
TEXT = f"The hen sat. The goat slept.\n\n\nNo.\n\n\n{LONG}\n\n\nIt was night. The sea was calm."


@pytest.fixture
def tab(folders: Folders, tiny_folder: Path) -> Tab:
    (folders.datasets / "tales.txt").write_text(TEXT, encoding="utf-8")
    made = Tab(Session(StandaloneHost(folders, tiny_folder, load_in_4bit=False)))
    with gr.Blocks():
        made.build()
    return made


def form(tab: Tab, **typed: Any) -> dict[Any, Any]:
    """What the page sends: the form with what is typed."""
    preview, controls = tab.preview, tab.form.controls
    own = {part: getattr(preview, part) for part in ("number", "kind", "part", "words")}
    data = {control: control.value for control in (*controls.values(), *own.values())} | {tab.form.kind: TEXT_KIND}
    typed = {"text_file": "tales.txt", "max_tokens": 32, "min_block_chars": 5, **typed}
    for name, value in typed.items():
        data[own.get(name) or controls[name]] = value
    return data


def press(tab: Tab, move: str, **typed: Any) -> tuple[int, str, str]:
    """The number of the block shown, the part it is of, and the page's words on it."""
    preview = tab.preview
    answer = preview._show(move, form(tab, **typed), page())
    return answer[preview.number], answer[preview.part], Reader(answer[preview.shown]).words


def test_blocks_with_pieces_of_a_split_sentence(tab: Tab) -> None:
    first, part, shown = press(tab, "split")
    assert (first, part) == (2, "training") and "So" in shown
    last = tab.check._last[1].plan.blocks if tab.check._last else 0
    assert press(tab, "split", number=last)[0] == 2  # round
    with pytest.raises(DataError, match="none was split"):
        press(tab, "split", max_tokens=2048)


def test_what_was_left_out_and_why(tab: Tab) -> None:
    number, part, shown = press(tab, "left", number=5, kind="overlap")
    assert (number, part) == (1, "left out")
    assert "Ignore small blocks" in shown and "No" in shown
    assert [press(tab, "left", part="left out", number=n)[0] for n in (1, 2)] == [2, 1]  # "No." and "home."
    with pytest.raises(DataError, match="Nothing was left out"):
        press(tab, "left", min_block_chars=0)


def test_longest_and_kinds(tab: Tab) -> None:
    assert press(tab, "shortest")[0] != press(tab, "longest")[0]
    with pytest.raises(DataError, match='no block of the kind "row"'):
        press(tab, "next", kind="row")


def test_each_block_is_the_one_that_would_be_trained(tab: Tab) -> None:
    session = tab._session
    for number in (1, 3):
        press(tab, "longest")
        assert tab.check._last is not None
        settings, checked, _ = tab.check._last
        train = prepare(settings, session.host.loaded_model().tokenizer, session.host.folders, cache=False).train
        assert [token.id for token in checked.prepared.train.preview(number).tokens] == train[number][
            "input_ids"
        ].tolist()


def test_a_file_that_was_changed_since_is_read_again(tab: Tab, folders: Folders) -> None:
    press(tab, "longest")
    path = folders.datasets / "tales.txt"
    path.write_text("Another text altogether, which is short.", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert "Another" in press(tab, "longest")[2]
    kept = tab.check._last
    press(tab, "shortest")
    assert tab.check._last is kept  # nothing has changed


def test_what_was_found_stands_when_the_redraw_after_the_check_comes_late(tab: Tab) -> None:
    """The redraw was asked for before the answer of the search had come: it says what the page had then."""
    preview, here = tab.preview, page()
    assert preview._again(form(tab), here) == {preview.shown: ""}  # nothing was checked
    before = form(tab, words="goat")
    preview._show("find", before, here)
    assert preview._again(before, here) == {}
    other = form(tab, max_tokens=16, words="goat")
    tab.check.checked(tab.form.settings(other), no_progress)
    assert preview.number in preview._again(other, here)
    assert preview._again(other, here) == {} and preview.number in preview._again(other, page("two"))
