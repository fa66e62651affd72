"""The Tools panel without a browser: what a press answers, what is chosen afterwards, how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.stand_ins import page
from training_pro.errors import Cancelled, DataError
from training_pro.folders import Folders
from training_pro.hosts.standalone import StandaloneHost
from training_pro.session import Session
from training_pro.settings import Settings
from training_pro.ui.cancelling import Cancels
from training_pro.ui.form import BOTH, TEXT
from training_pro.ui.tab import Tab

TASKS = [{"instruction": f"q {i}", "output": f"a {i}"} for i in range(10)]


@pytest.fixture
def tab(folders: Folders, tiny_folder: Path) -> Tab:
    (folders.datasets / "tasks.json").write_text(json.dumps(TASKS), encoding="utf-8")
    (folders.datasets / "tales.txt").write_text("One.\n\n\nTwo.", encoding="utf-8")
    made = Tab(Session(StandaloneHost(folders, tiny_folder, load_in_4bit=False)))
    with gr.Blocks():
        made.build()
    return made


def no_bar(progress: Any, desc: str = "") -> None:
    pass


def press(tab: Tab, job: Callable[..., dict[Any, Any]], **typed: Any) -> dict[str, Any]:
    """The answer of a job: the sentence as "said", and what is chosen now by setting."""
    tools, controls = tab.tools, tab.form.controls
    own = {name: getattr(tools, name) for name in ("url", "megabytes", "private", "percent", "system", "prompt")}
    own |= {"ends": tools.ends, "overwrite": tools.overwrite}
    data = {control: control.value for control in (*controls.values(), *own.values())}
    data[tab.form.kind] = typed.pop("kind", BOTH)
    for name, value in typed.items():
        data[own.get(name) or controls[name]] = value
    answer = job(data, page(), no_bar)
    chosen = {
        name: answer[control]["value"] for name, control in controls.items() if "value" in answer.get(control, {})
    }
    listed = {name: [c[1] for c in answer[controls[name]]["choices"]] for name in ("dataset", "eval_dataset")}
    return {"said": answer[tools.said], "chosen": chosen, "listed": listed}


def test_an_unwrapped_text_is_chosen_and_verify_says_when_one_is_wanted(tab: Tab, folders: Folders) -> None:
    line = "the fox of the long grey tower ran over the hill and down to the harbour, where"
    (folders.datasets / "wrapped.txt").write_text("\n".join([line] * 5 + ["it slept.\n"]) * 20, encoding="utf-8")
    verified = tab._session.check(Settings(text_file="wrapped.txt", warmup_steps=1)).verification
    assert any("Unwrap the Text file" in note for note in verified.notes)
    answer = press(tab, tab.tools._unwrap, text_file="wrapped.txt")
    assert answer["chosen"] == {"text_file": "wrapped_unwrapped.txt"}
    verified = tab._session.check(Settings(text_file="wrapped_unwrapped.txt", warmup_steps=1)).verification
    assert not any("Unwrap" in note for note in verified.notes)


def test_both_halves_are_chosen_after_a_split(tab: Tab) -> None:
    answer = press(tab, tab.tools._split, dataset="tasks.json", percent=20)
    assert answer["chosen"] == {"dataset": "tasks_train.jsonl", "eval_dataset": "tasks_eval.jsonl"}
    assert set(answer["listed"]["dataset"]) >= {"tasks_train.jsonl", "tasks_eval.jsonl"}
    assert "tp-good" in answer["said"]


def test_rows_become_chats_and_are_chosen(tab: Tab, folders: Folders) -> None:
    answer = press(tab, tab.tools._rows_to_chats, dataset="tasks.json", dataset_kind="alpaca", system="Be brief.")
    assert answer["chosen"] == {"dataset": "tasks.jsonl", "dataset_kind": "auto"}
    first = json.loads((folders.datasets / "tasks.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_text_becomes_chats_at_the_pages_hard_cut(tab: Tab, folders: Folders) -> None:
    answer = press(tab, tab.tools._text_to_chats, text_file="tales.txt", prompt="Tell me.")
    assert answer["chosen"] == {"dataset": "tales.jsonl", "text_file": "", "dataset_kind": "auto"}
    assert len((folders.datasets / "tales.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_blocks_are_written_as_they_are_trained(tab: Tab, folders: Folders) -> None:
    answer = press(tab, tab.tools._write_blocks, text_file="tales.txt", ends=False, kind=TEXT)
    assert "2 blocks are in" in answer["said"]
    rows = (folders.datasets / "tales_blocks.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["text"] for row in rows] == ["One.", "Two."]


@pytest.mark.parametrize(
    ("job", "typed", "said"),
    [
        ("_split", {}, "No Dataset is chosen"),
        ("_split", {"dataset": "tasks.json", "percent": None}, "between 0 and 100"),
        ("_text_to_chats", {"prompt": "x"}, "No Text file is chosen"),
        ("_text_to_chats", {"text_file": "tales.txt"}, "prompt is empty"),
        ("_download", {}, "not a web address"),
        ("_download", {"url": "http://127.0.0.1/a.txt"}, "allow private addresses"),
        ("_download", {"url": "http://127.0.0.1/a.txt", "megabytes": 0}, "At most MB"),
    ],
)
def test_refusals(job: str, typed: dict[str, Any], said: str, tab: Tab) -> None:
    with pytest.raises(DataError, match=said):
        press(tab, getattr(tab.tools, job), **typed)


def test_nothing_is_overwritten_unasked(tab: Tab) -> None:
    press(tab, tab.tools._split, dataset="tasks.json")
    with pytest.raises(DataError, match="already exists"):
        press(tab, tab.tools._split, dataset="tasks.json")
    press(tab, tab.tools._split, dataset="tasks.json", overwrite=True)


def test_a_cancel_counts_from_the_click_on_and_for_its_own_page() -> None:
    cancels = Cancels()
    for who in ("one", "two"):
        cancels.begin(page(who))
    cancels.cancel(page("one"))
    cancels.telling(no_bar, page("two"))(1, 2, "Working")
    with pytest.raises(Cancelled):
        cancels.telling(no_bar, page("one"))(1, 2, "Working")
    cancels.end(page("one"))
    cancels.cancel(page("one"))
    cancels.telling(no_bar, page("one"))(1, 2, "Working")


def test_all_that_a_tool_changes_is_hooked_up(tab: Tab) -> None:
    """Gradio drops a whole answer that names a control which the button doesn't fill."""
    made = tab.tools._made("Done.", dataset="tasks.json", eval_dataset="tasks.json")
    assert set(made) <= {tab.tools.said, *tab.form.outputs}
    assert tab.form.kind in made


def test_each_part_of_the_tools_has_a_heading(tab: Tab) -> None:
    card = tab.tools.said.parent
    heads = [str(one.value) for one in card.children if "<h3>" in str(getattr(one, "value", ""))]
    assert len(heads) == 5 and "Download a file" in heads[0]
