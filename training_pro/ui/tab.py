"""The tab: Train, Runs and Tools under one line that shows model and run. The same in the WebUI and on its own page.

Train has three faces, which the page's script shows in turn: the form with the card of the run to be, the run while it
trains, and how it ended with what to do next.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context

from training_pro.session import Session
from training_pro.ui.choices import FILES, choice_updates, file_choices, installed_choices
from training_pro.ui.form import Form
from training_pro.ui.hand import SCRIPT as HANDS_SCRIPT
from training_pro.ui.hand import Hand
from training_pro.ui.handlers import AT_ONCE, QUIET, answering, progress_at
from training_pro.ui.lists import Listed, Lists
from training_pro.ui.live import ANSWER_PACE_S, PACE_S, QUIET_PACE_S, Follows, LiveUpdates
from training_pro.ui.live_chart import LiveChart
from training_pro.ui.lora_chooser import LoraChooser
from training_pro.ui.notices import Notices, pulse
from training_pro.ui.panels.after import After
from training_pro.ui.panels.ask import Ask, connect_answers
from training_pro.ui.panels.check import Check
from training_pro.ui.panels.export import Export
from training_pro.ui.panels.how import How
from training_pro.ui.panels.largest_batch import LargestBatch
from training_pro.ui.panels.lora_tools import LoraTools
from training_pro.ui.panels.notify import Notify
from training_pro.ui.panels.other_runs import OtherRuns
from training_pro.ui.panels.own_presets import OwnPresets
from training_pro.ui.panels.perplexity import Perplexity
from training_pro.ui.panels.placement import Placement
from training_pro.ui.panels.preview import Preview
from training_pro.ui.panels.questions import QuestionsPanel
from training_pro.ui.panels.queue import QueuePanel
from training_pro.ui.panels.recipes import Recipes
from training_pro.ui.panels.runs import RunsPanel
from training_pro.ui.panels.speed_trial import SpeedTrial
from training_pro.ui.panels.start import Start
from training_pro.ui.panels.tools import Tools
from training_pro.ui.panels.watch import Watch
from training_pro.ui.panels.what import What
from training_pro.ui.panels.your_run import Ways, YourRun
from training_pro.ui.pieces import area, button, button_row, card, head
from training_pro.ui.views.answers import HAND as ANSWERS

_ASSETS = Path(__file__).resolve().parent.parent / "assets"
SCRIPTS = (_ASSETS / "start.js", _ASSETS / "page.js", _ASSETS / "hold.js", HANDS_SCRIPT)
_KEPT = "() => window.trainingProPage?.kept() ?? [window.localStorage.getItem('training-pro-form') ?? '']"
_BETWEEN = (
    '<div class="tp-faces">'
    '<button type="button" class="tp-btn tp-s" data-do="prepare" aria-expanded="false">Prepare the next run</button>'
    "</div>"
)


def build_tab(session: Session) -> None:
    """Build the tab where a page is being built (inside `gr.Blocks`, in the WebUI inside its `gr.Tab`)."""
    Tab(session).build()


class Tab:
    """The panels and what connects them. In multi-user mode there is nothing to press."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._editable = not session.host.multi_user
        self.form = Form(self._editable, file_choices(session.host.folders))
        self.check = Check(session, self.form)
        self.preview = Preview(self.form, self.check)
        self.tools = Tools(session, self.form, self.check)
        self.largest_batch = LargestBatch(session, self.form)
        self.what = What(session, self.form, self.check, self._editable)
        self.presets = OwnPresets(session, self.form)
        self.how = How(session, self.form, self.check, self.largest_batch, self.presets)
        self.placement = Placement()
        self.recipes = Recipes(session, self.form, self.placement)
        self.start = Start(session, self.form, self.placement)
        self.other_runs = OtherRuns(session)
        self.perplexity = Perplexity(session, self._editable)
        self.questions = QuestionsPanel(session, self.form)
        self.queue = QueuePanel(session, self.form, self._editable)
        self.speed = SpeedTrial(session, self.form, self.check)
        ways = Ways(self.queue, self.placement, self.recipes)
        self.your_run = YourRun(self.form, self.check, self.speed, self.start, ways)
        self.notices = Notices()
        self.notify = Notify(session)
        self.after = After(session, self.recipes)
        self.watch = Watch(session, self._editable)
        self.ask = Ask(session, "ask")
        self.answers = Hand(ANSWERS)
        self.runs = RunsPanel(session, self._editable)
        self.export = Export(session)
        self.lora_tools = LoraTools(session)
        following: list[Follows] = [self.watch, self.perplexity, self.queue, self.runs]
        following += [self.after, self.ask, self.questions] if self._editable else []
        following += [Lists(session, self._listed)]
        self.live = LiveUpdates(following, partial(pulse, session), partial(_pace_s, session), LiveChart(session))

    def build(self) -> None:
        page = Context.root_block
        assert page is not None, "a tab is built while a page is"
        of_others = set(page.fns)
        with gr.Column(elem_classes=["training-pro"]):
            with gr.Row(elem_classes=["tp-top"]):
                self.watch.build_top()
            with gr.Tabs(elem_classes=["tp-main-tabs"]):
                with gr.Tab("Train"):
                    self._build_train()
                with gr.Tab("Runs") as self.runs_tab:
                    self._build_runs()
                if self._editable:
                    with gr.Tab("Tools"):
                        self._build_tools()
            self.live.build()
            self.answers.build()
            self.kept = gr.Textbox(visible=False)
        self._connect(page)
        progress_at(self.watch.host, [handler for number, handler in page.fns.items() if number not in of_others])

    def _build_train(self) -> None:
        if self._editable:
            with gr.Column(elem_classes=["tp-interrupted"]):
                self.after.build()
                self.other_runs.build()
        with gr.Column(elem_classes=["tp-face-run"]):
            self.watch.build()
            if self._editable:
                with gr.Column(elem_classes=["tp-face-ended"]), card("ask"):
                    self.ask.build()
            gr.HTML(_BETWEEN, elem_classes=["tp-html"])
        if not self._editable:
            return
        with gr.Row(elem_classes=["tp-two", "tp-face-form"]):
            with gr.Column(elem_classes=["tp-stack"]):
                self.what.build()
                self.preview.build()
                self.how.build()
            with gr.Column(elem_classes=["tp-side"]):
                self.your_run.build()

    def _build_runs(self) -> None:
        with card("queue"):
            head("Queue and experiments")
            self.queue.build()
        self.runs.build()
        with card("measure"):
            head("Measure: perplexity")
            self.perplexity.build()

    def _build_tools(self) -> None:
        self.export.build()
        self.lora_tools.build()
        self.tools.build()
        self.questions.build()
        self.recipes.build()
        with card("page"):
            head("This page")
            self.notices.build()
            self.notify.build()
            with button_row():
                self.refresh = button("Refresh lists", "refresh", scale=0)
            self.refreshed = area("refresh-said")

    # -- connecting -----------------------------------------------------------------------------------------------

    def _connect(self, page: Any) -> None:
        runs = answering(self.runs.lists, self.runs.said, "listing the runs")
        self.runs_tab.select(runs, None, [*self.runs.listed, self.runs.said], **QUIET)
        for script in SCRIPTS:
            page.load(None, None, None, js=script.read_text(encoding="utf-8"))
        self.runs.connect(page)
        self.perplexity.connect()
        self.queue.connect()
        self.watch.connect()
        self.live.connect(page)
        if self._editable:
            self._connect_work(page)

    def _connect_work(self, page: Any) -> None:
        said = self.what.said
        fill = answering(self._fill, said, "reading the form")
        filled = page.load(fill, self.kept, [*self.form.outputs, self.what.named, said], js=_KEPT, **AT_ONCE)
        filled.then(None, None, None, js="() => window.trainingProPage.opened()", **QUIET)
        self.notices.connect(page)
        installed = answering(self._installed, said, "reading the lists")
        page.load(installed, None, [*self.form.outputs, said], **QUIET)
        refresh = answering(self._refresh, self.refreshed, "reading the lists")
        listed = dict.fromkeys([*self.form.outputs, *self._filed, *self.other_runs.shown, self.refreshed])
        self.refresh.click(refresh, None, list(listed), **QUIET)
        panels = (
            self.check,
            self.what,
            self.how,
            self.presets,
            self.speed,
            self.preview,
            self.tools,
            self.largest_batch,
            self.recipes,
            self.start,
        )
        for panel in (*panels, self.ask, self.export, self.lora_tools, self.questions, self.notify):
            panel.connect()
        self.runs.connect_work(self.recipes, self.export, self.perplexity)
        connect_answers(self._session, self.answers, [self.ask, self.runs.ask])
        self.after.connect(self.watch.status)
        self.after.connect_export(self.export)
        self.other_runs.connect(page)

    def _listed(self) -> list[Listed]:
        """The lists of what lies in the host's folders: name, controls, updates."""
        lists: list[Listed] = [("runs", self.runs.listed, self.runs.lists)]
        if self._editable:
            lists += [
                ("files", self._filed, self._files),
                ("measurable", self.perplexity.listed, self.perplexity.lists),
                ("loras", [chooser.control for chooser in self._choosers], self._loras),
            ]
        return lists

    @property
    def _filed(self) -> list[Any]:
        named = [self.form.controls[name] for name in FILES]
        return [*named, self.presets.tile, self.recipes.source]

    def _files(self) -> dict[Any, Any]:
        files = choice_updates(self.form.controls, file_choices(self._session.host.folders))
        return {**files, **self.presets.lists(), **self.recipes.lists()}

    @property
    def _choosers(self) -> list[LoraChooser]:
        return [self.ask.chooser, self.runs.ask.chooser, self.export.chooser, self.lora_tools.chooser]

    def _loras(self) -> dict[Any, Any]:
        return {control: update for chooser in self._choosers for control, update in chooser.lists().items()}

    def _installed(self) -> dict[Any, Any]:
        return choice_updates(self.form.controls, installed_choices(self._session.host.folders))

    def _refresh(self) -> dict[Any, Any]:
        return {**self._installed(), **self._files(), **self.other_runs.look(), self.refreshed: ""}

    def _fill(self, kept: str) -> dict[Any, Any]:
        """The settings of the run in progress; else what this browser had, with the newest text
        that lies there where no file was chosen."""
        run = self._session.run
        if run is not None and run.status.running:
            return {**self.form.fill(run.settings), self.what.named: "", self.what.said: ""}
        values = self.form.kept(kept)
        first = {} if values.get("text_file") or values.get("dataset") else self.what.first()
        typed = {"name": values["name"]} if values.get("name") else {}
        return {
            **self.form.change({**values, **first, **typed}),
            self.what.named: first.get("name", ""),
            self.what.said: "",
        }


def _pace_s(session: Session) -> float:
    """How soon anything may be new."""
    if session.asking is not None and session.asking.status.running:
        return ANSWER_PACE_S
    works = any(job is not None and job.status.running for job in (session.measuring, session.questions))
    return PACE_S if session.busy or works else QUIET_PACE_S
