from __future__ import annotations

import json
import re
import threading
from html import unescape
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.training.memory.test_forecast import work
from tests.ui.made import NASTY
from tests.ui.stand_ins import StandInRun, StandInSession, build_form, no_bar, page
from tests.ui.views.test_markup import Reader
from training_pro.data.repairs import Repair
from training_pro.data.verify import Facts, Suggestion, Verification
from training_pro.errors import DataError, Fault
from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.progress import OfBytes
from training_pro.settings import Settings
from training_pro.training.memory.forecast import forecast
from training_pro.training.pace import Pace
from training_pro.ui.cancelling import Telling
from training_pro.ui.form import BOTH, ROWS, TEXT, Form
from training_pro.ui.panels import check
from training_pro.ui.panels.check import Check
from training_pro.ui.views.check import MOST_REMARKS, memory_meter, your_run


def found(*suggestions: Suggestion, refusals: tuple[Fault, ...] = (), **more: Any) -> Any:
    """What a check of 40 blocks has found."""
    counts = dict.fromkeys(Facts.__dataclass_fields__, 0)
    facts = Facts(**{**counts, "samples": 40, "packed": 30, "overlap": 10, "total_updates": 30, **more})
    return SimpleNamespace(
        prepared=SimpleNamespace(report=SimpleNamespace(sources=(SimpleNamespace(kind="text", name="gone.txt"),))),
        memory=None,
        pace=Pace(540.0),
        plan=make_plan(40, 4, 1, 3.0),
        verification=Verification(facts, suggestions, (f"note {NASTY}",), refusals),
    )


class Panel:
    """The check on a page of its own, over a session that finds what `session.checked` says."""

    def __init__(self, folders: Folders) -> None:
        self.session = StandInSession(folders)
        self.session.checked = found()
        self.form = Form(editable=True)
        with gr.Blocks():
            build_form(self.form)
            self.check = Check(self.session, self.form)
            self.check.build_strip()
            self.check.repairs.build()
            self.check.build_card()
            self.check.build_remarks()
            self.check.build_bar()

    def data(self, **changes: Any) -> dict[Any, Any]:
        values = {name: control.value for name, control in self.form.controls.items()}
        values |= {"text_file": "a.txt", "name": "mine", **changes}
        return {self.form.kind: TEXT} | {self.form.controls[name]: value for name, value in values.items()}

    def run(self, who: str = "one", **changes: Any) -> dict[Any, Any]:
        return self.check._check(self.data(**changes), page(who))

    def marks(self, **changes: Any) -> dict[str, Any]:
        return marks_in(self.run(**changes)[self.check.marks])


def marks_in(html: str) -> dict[str, Any]:
    (said,) = re.findall(r'data-marks="([^"]*)"', html)
    return dict(json.loads(unescape(said)))


@pytest.fixture
def panel(folders: Folders) -> Panel:
    return Panel(folders)


def test_the_strip_counts_what_there_is_and_nothing_that_is_zero(panel: Panel) -> None:
    words = Reader(panel.run()[panel.check.strip]).words
    assert "30 blocks" in words and "10 overlaps" in words and "dropped" not in words
    panel.session.checked = found(dropped_rows=3)
    assert "3 dropped" in Reader(panel.run(rank=8)[panel.check.strip]).words


def test_the_card_says_how_long_the_run_is_and_that_it_can_start(panel: Panel) -> None:
    words = Reader(panel.run()[panel.check.card]).words
    assert (
        "9 min" in words
        and "guessed" in words
        and "30 updates" in words
        and "10 per epoch" in words
        and "Ready" in words
    )


def test_what_stops_the_run_comes_first_and_is_red(panel: Panel) -> None:
    panel.session.checked = found(Suggestion("Better", {"rank": 8}), refusals=(Fault(f"refusal {NASTY}", "epochs"),))
    updates = panel.run()
    rows = updates[panel.check.lines]
    assert rows.index("refusal") < rows.index("Better") and "tp-red" in rows.split("Better")[0]
    assert "img" not in Reader(rows).tags
    assert "Not ready" in updates[panel.check.card]


def test_what_loses_much_comes_before_all_else_that_can_be_mended_and_is_amber(panel: Panel) -> None:
    panel.session.checked = found(
        *(Suggestion(f"Better {n}", {"rank": n + 1}) for n in range(5)),
        Suggestion("48% of the rows are lost", {"too_long": "split"}, urgent=True),
        Suggestion("Shorten these rows", {}, urgent=True),
    )
    rows = panel.run()[panel.check.lines]
    first, rest = rows.split("Better 0")
    assert "48% of the rows" in first and "Use split" in first and first.count("tp-amber") == 2
    assert "tp-late" not in first and "tp-amber" not in rest
    assert len(buttons(rows)) == 6, "where nothing can be changed there is no button"


def buttons(rows: str) -> list[tuple[str, str]]:
    """What the buttons of the remarks do, and what they say."""
    return re.findall(r'data-act="(\d+)">([^<]+)</button>', rows)


def test_suggestions_get_a_button_that_changes_the_form(panel: Panel) -> None:
    panel.session.checked = found(Suggestion("Warmup 3", {"warmup_steps": 3}), Suggestion("Save", {"save_steps": 6}))
    updates = panel.run()
    assert buttons(updates[panel.check.lines]) == [("0", "Use 3"), ("1", "Use 6")]
    told = {panel.check.told: updates[panel.check.told]}
    taken = panel.check._take({**told, panel.check.use.given: "1"})
    assert taken[panel.form.controls["save_steps"]]["value"] == 6
    assert panel.check._take({**told, panel.check.use.given: "7"}) == {}


def test_numbers_are_written_as_people_write_them(panel: Panel) -> None:
    panel.session.checked = found(Suggestion("More", {"epochs": 4.0}), Suggestion("Less", {"learning_rate": 1e-4}))
    assert [words for _, words in buttons(panel.run()[panel.check.lines])] == ["Use 4", "Use 1e-4"]
    assert panel.marks(epochs=2)["changed"]["epochs"] == "3"


def test_what_has_no_room_is_folded_away_and_counted_and_keeps_its_button(panel: Panel) -> None:
    panel.session.checked = found(*(Suggestion(f"Better {n}", {"rank": n + 1}) for n in range(5)))
    rows = panel.run()[panel.check.lines]
    late = [" tp-late" in row for row in rows.split('class="tp-remark-row')[1:]]
    assert late == [False] * MOST_REMARKS + [True] * 3
    assert "3 more" in Reader(rows).words and "img" not in Reader(rows).tags
    assert buttons(rows)[4] == ("4", "Use 5") and len(buttons(rows)) == 5


def test_bad_rows_can_be_skipped_with_one_click(panel: Panel) -> None:
    panel.session.checked = DataError("a.jsonl, row 3: it is empty.", setting="bad_rows")
    updates = panel.run()
    assert "row 3" in updates[panel.check.lines] and "row 3" not in updates[panel.check.strip]
    taken = panel.check._take({panel.check.told: updates[panel.check.told], panel.check.use.given: "0"})
    assert taken[panel.form.controls["bad_rows"]]["value"] == "skip"


def test_wrong_fields_are_named_all_at_once(panel: Panel) -> None:
    marks = panel.marks(rank=0, learning_rate="fast")
    assert set(marks["wrong"]) == {"rank", "learning_rate"} and marks["changed"] == {}
    assert "tp-red" in panel.run(rank=0)[panel.check.strip]


def test_changed_fields_are_named_with_their_defaults(panel: Panel) -> None:
    marks = panel.marks(rank=8, alpha="16")
    assert marks["changed"] == {"rank": "32", "alpha": "auto"}
    assert marks["form"]["rank"] == 8 and marks["form"]["name"] == "mine"


@pytest.mark.parametrize(("name", "wrong"), [("", True), ("a.b", True), ("new", False), ("there", False)])
def test_a_name_that_start_would_refuse_is_marked_before(
    name: str, wrong: bool, panel: Panel, folders: Folders
) -> None:
    (folders.loras / "there").mkdir()
    assert ("name" in panel.marks(name=name)["wrong"]) == wrong


def test_without_a_file_the_page_says_what_to_do(panel: Panel) -> None:
    updates = panel.run(text_file="")
    assert "Choose a text" in updates[panel.check.strip] and "No data yet" in updates[panel.check.card]


def test_a_fault_of_the_data_is_one_sentence_in_the_strip(panel: Panel) -> None:
    panel.session.checked = DataError(f"The file is {NASTY}.", setting="text_file")
    updates = panel.run()
    assert "tp-red" in updates[panel.check.strip] and "img" not in Reader(updates[panel.check.strip]).tags
    assert "text_file" in marks_in(updates[panel.check.marks])["wrong"]


def test_a_defect_is_a_sentence_too(panel: Panel) -> None:
    panel.session.checked = ZeroDivisionError("oh")
    assert "ZeroDivisionError" in panel.run()[panel.check.strip]


def test_the_last_check_is_kept_for_the_same_settings_alone(panel: Panel) -> None:
    assert panel.check.number == 0 and panel.check._last is None
    panel.run()
    assert panel.check.number == 1
    first = panel.session.checked
    panel.session.checked = DataError("It was looked at again.")
    settings = panel.form.settings(panel.data())
    assert panel.check.checked(settings, no_bar) is first
    with pytest.raises(DataError, match="again"):
        panel.check.checked(settings.changed(rank=7), no_bar)


def test_a_newer_check_of_a_page_ends_an_older_one(panel: Panel) -> None:
    entered, answers = threading.Event(), []

    def endless(settings: Any, progress: Any) -> Any:
        if settings.rank != 7:
            return found()
        entered.set()
        while True:
            progress(1, 10, "Reading")

    panel.session.check = endless
    older = threading.Thread(target=lambda: answers.append(panel.run("one", rank=7)))
    older.start()
    assert entered.wait(60)
    assert "Ready" in panel.run("one", rank=8)[panel.check.card]
    older.join(60)
    assert panel.check.card not in answers[0]


def test_memory_is_shown_with_its_parts() -> None:
    fits, too_much = forecast(work(100), 1, 256), forecast(work(1), 64, 512)
    assert "fits" in memory_meter(fits) and "does not fit" in memory_meter(too_much)
    for name, _ in fits.parts:
        assert f"{name} " in memory_meter(fits)
    assert memory_meter(None) == ""
    assert "Your run" in your_run(None)


def test_progress_is_told_a_few_times_a_second_only() -> None:
    told: list[Any] = []
    telling = Telling(lambda *given, **more: told.append((*given, more["desc"])), SimpleNamespace(is_set=bool))
    for done in range(1000):
        telling(done, 1000, "Reading")
    assert told[0] == (0.0, "Reading: 0 of 1,000")
    assert len(told) < 100


def test_progress_of_bytes_is_told_in_megabytes() -> None:
    told: list[str] = []
    Telling(lambda *_, desc: told.append(desc), SimpleNamespace(is_set=bool))(
        120 * 10**6, 269 * 10**6, OfBytes("saving")
    )
    assert told == ["saving: 120 MB of 269 MB"]


def test_what_is_drawn_beside_is_of_the_very_check_that_a_page_asked_for(panel: Panel) -> None:
    shown = object()
    panel.check.draw_with(shown, lambda settings, checked: {shown: f"rank {settings.rank}"})
    assert shown in panel.check.shown
    assert [panel.run(who, rank=rank)[shown] for who, rank in (("one", 8), ("two", 16))] == ["rank 8", "rank 16"]
    assert shown not in panel.run(rank="x")


def test_a_fault_in_drawing_is_said_in_its_place(panel: Panel) -> None:
    shown = object()
    panel.check.draw_with(shown, lambda settings, checked: {shown: 1 / 0})
    updates = panel.run()
    assert "drawing what was found" in updates[shown] and "Ready" in updates[panel.check.card]


def test_whose_words_were_chosen_outlives_a_check(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Repair("chats", "a.txt", "A chat log.", (), ("Bob", "Ann"))
    monkeypatch.setattr(check, "repairs", lambda *_: [log])
    offered, who = panel.check.repairs.repair, panel.check.repairs.who
    assert panel.run()[who]["value"] == "Bob"
    assert who not in panel.check._check({**panel.data(rank=4), offered: log}, page("one"))


def test_a_setting_that_is_wrong_is_said_beside_start_too_for_its_field_may_be_out_of_sight(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = Panel(folders)
    shown = panel.run(start_from="nobody", learning_rate="9")
    assert "Learning Rate" in shown[panel.check.lines] and "remark" in shown[panel.check.bar]
    assert "Learning Rate" in shown[panel.check.strip]
    monkeypatch.setattr(panel.session, "check", _refuse_columns)
    assert "tp-remark-row" not in panel.run()[panel.check.lines], "the columns are chosen beside the files"


def _refuse_columns(*given: Any) -> Any:
    raise DataError("The columns are not recognized.", setting="columns")


@pytest.mark.parametrize(("kind", "words"), [(TEXT, "a text or"), (ROWS, "a dataset or"), (BOTH, "text and a dataset")])
def test_nothing_chosen_says_what_is_to_be_chosen(kind: str, words: str, folders: Folders) -> None:
    panel = Panel(folders)
    data = panel.data(text_file="", dataset="") | {panel.form.kind: kind}
    shown = panel.check._check(data, page("one"))
    assert words in shown[panel.check.strip] and words in shown[panel.check.bar]


@pytest.mark.parametrize("name", ["rank", "seed"])
def test_a_part_of_a_whole_number_is_not_rounded_without_a_word(name: str, folders: Folders) -> None:
    panel = Panel(folders)
    given = panel.form.controls[name].preprocess(16.5)
    assert "16.5" in panel.marks(**{name: given})["wrong"][name]


def test_a_taken_name_is_told_with_what_start_will_do(panel: Panel, folders: Folders) -> None:
    assert panel.marks()["told"] == {}
    (folders.loras / "mine").mkdir()
    asks = panel.marks()
    assert "is finished" in asks["told"]["name"] and "Start asks whether to train on top" in asks["told"]["name"]
    assert "name" not in asks["wrong"] and "resume" not in asks["told"]["name"]
    assert "Start replaces it" in panel.marks(override=True)["told"]["name"]
    assert "exists" in panel.marks(text_file="")["told"]["name"], "also where there is nothing to train on"
    panel.session.run = StandInRun(folders, Settings(name="mine"))
    assert "in progress" in panel.marks()["told"]["name"]


def test_before_the_first_check_nothing_is_called_ready(panel: Panel) -> None:
    assert "Ready" not in panel.check.card.value and "Checking" in panel.check.card.value
    assert "Choose" not in panel.check.strip.value
