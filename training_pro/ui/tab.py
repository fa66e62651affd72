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
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.lists import Listed, Lists
from training_pro.ui.live import Follows, LiveUpdates
from training_pro.ui.live_chart import LiveChart
from training_pro.ui.notices import Notices, pulse
from training_pro.ui.panels.after import After
from training_pro.ui.panels.check import Check
from training_pro.ui.panels.elsewhere import Elsewhere
from training_pro.ui.panels.how import How
from training_pro.ui.panels.largest_batch import LargestBatch
from training_pro.ui.panels.perplexity import Perplexity
from training_pro.ui.panels.placement import Placement
from training_pro.ui.panels.preview import Preview
from training_pro.ui.panels.queue import QueuePanel
from training_pro.ui.panels.recipes import Recipes
from training_pro.ui.panels.runs import RunsPanel
from training_pro.ui.panels.start import Start
from training_pro.ui.panels.tools import Tools
from training_pro.ui.panels.tryout import TryOut
from training_pro.ui.panels.watch import Watch
from training_pro.ui.panels.what import What
from training_pro.ui.panels.your_run import YourRun
from training_pro.ui.pieces import button, button_row, card, head

SCRIPT = Path(__file__).resolve().parent.parent / "assets" / "page.js"
_KEPT = "() => [window.localStorage.getItem('training-pro-form') ?? '']"
_BETWEEN = (
    '<div class="tp-faces">'
    '<button type="button" class="tp-btn tp-s" data-do="prepare" aria-expanded="false">Prepare the next run</button>'
    '<button type="button" class="tp-btn tp-s tp-main" data-do="new-run">New run</button></div>'
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
        self.how = How(session, self.form, self.check, self.largest_batch)
        self.placement = Placement()
        self.recipes = Recipes(session, self.form, self.placement)
        self.start = Start(session, self.form, self.placement)
        self.elsewhere = Elsewhere(session)
        self.perplexity = Perplexity(session, self._editable)
        self.queue = QueuePanel(session, self.form, self._editable)
        self.your_run = YourRun(self.form, self.check, self.start, self.queue, self.placement, self.recipes)
        self.notices = Notices()
        self.after = After(session, self.recipes)
        self.watch = Watch(session, self._editable)
        self.tryout = TryOut(session)
        self.runs = RunsPanel(session, self.recipes, self._editable)
        following: list[Follows] = [self.watch, self.perplexity, self.queue]
        following += [self.after, self.tryout] if self._editable else []
        following += [Lists(session, self._listed)]
        chart = LiveChart(session)
        self.live = LiveUpdates(following, partial(pulse, session), partial(_works, session), chart.news)

    def build(self) -> None:
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
            self.kept = gr.Textbox(visible=False)
        self._connect()

    def _build_train(self) -> None:
        if self._editable:
            with gr.Column(elem_classes=["tp-interrupted"]):
                self.after.build()
                self.elsewhere.build()
        with gr.Column(elem_classes=["tp-face-run"]):
            self.watch.build()
            if self._editable:
                with gr.Column(elem_classes=["tp-face-ended"]):
                    self.tryout.build()
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
        with card("runs"):
            head("Runs")
            self.runs.build()
        with card("measure"):
            head("Measure: perplexity")
            self.perplexity.build()

    def _build_tools(self) -> None:
        self.tools.build()
        self.recipes.build()
        with card("page"):
            head("This page")
            self.notices.build()
            with button_row():
                self.refresh = button("Refresh lists", "refresh", scale=0)

    # -- connecting -----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        page = Context.root_block
        assert page is not None, "build_tab is called while a page is built"
        runs = answering(self.runs.lists, self.runs.said, "listing the runs")
        self.runs_tab.select(runs, None, [*self.runs.listed, self.runs.said], **QUIET)
        page.load(None, None, None, js=SCRIPT.read_text(encoding="utf-8"))
        self.runs.connect()
        self.perplexity.connect()
        self.queue.connect()
        self.watch.connect()
        self.live.connect(page)
        if self._editable:
            self._connect_work(page)

    def _connect_work(self, page: Any) -> None:
        said = self.watch.said
        fill = answering(self._fill, said, "reading the form")
        filled = page.load(fill, self.kept, [*self.form.outputs, self.what.named, said], js=_KEPT, **QUIET)
        filled.then(None, None, None, js="() => window.trainingProPage.check()", **QUIET)
        self.notices.connect(page)
        installed = answering(self._installed, said, "reading the lists")
        page.load(installed, None, [*self.form.outputs, said], **QUIET)
        self.refresh.click(installed, None, [*self.form.outputs, said], **QUIET)
        files = answering(self._files, said, "reading the lists")
        self.refresh.click(files, None, [*self._filed, said], **QUIET)
        panels = (
            self.check,
            self.what,
            self.how,
            self.preview,
            self.tools,
            self.largest_batch,
            self.recipes,
            self.start,
        )
        for panel in (*panels, self.tryout):
            panel.connect()
        self.after.connect(self.watch.status)
        self.elsewhere.connect(page, self.refresh)

    def _listed(self) -> list[Listed]:
        """The lists of what lies in the host's folders: name, controls, updates."""
        lists: list[Listed] = [("runs", self.runs.listed, self.runs.lists)]
        if self._editable:
            lists += [
                ("files", self._filed, self._files),
                ("measurable", self.perplexity.listed, self.perplexity.lists),
            ]
        return lists

    @property
    def _filed(self) -> list[Any]:
        named = [self.form.controls[name] for name in FILES]
        return [*named, self.recipes.preset, self.recipes.source, self.tryout.name]

    def _files(self) -> dict[Any, Any]:
        files = choice_updates(self.form.controls, file_choices(self._session.host.folders))
        return {**files, **self.recipes.lists(), **self.tryout.lists()}

    def _installed(self) -> dict[Any, Any]:
        return choice_updates(self.form.controls, installed_choices(self._session.host.folders))

    def _fill(self, kept: str) -> dict[Any, Any]:
        """The settings of the run in progress; else what this browser had; else the newest text that lies there."""
        run = self._session.run
        if run is not None and run.status.running:
            return {**self.form.fill(run.settings), self.what.named: "", self.watch.said: ""}
        values = self.form.kept(kept)
        if values:
            return {**self.form.change(values), self.watch.said: ""}
        first = self.what.first()
        return {**self.form.change(first), self.what.named: first.get("name", ""), self.watch.said: ""}


def _works(session: Session) -> bool:
    """Whether anything may be new any second."""
    measuring = session.measuring
    return session.busy or (measuring is not None and measuring.status.running)
