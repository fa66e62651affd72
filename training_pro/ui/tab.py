"""The tab: its panels in the order of the work, and nothing else. The same in the WebUI and on a page of its own.

Data, verify, preview and tools, LoRA, batch and schedule, stops and checkpoints, go, watch, try; beside it the runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
from gradio.context import Context

from training_pro.folders import Folders
from training_pro.session import Session
from training_pro.ui.choices import FILES, choice_updates, file_choices, installed_choices
from training_pro.ui.form import ADAPTER, BATCH, BLOCKS, DATA, FIRST, STOPS, WATCHING, Form
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.lists import Listed, Lists
from training_pro.ui.live import Follows, LiveUpdates
from training_pro.ui.notices import Notices, pulse
from training_pro.ui.panels.after import After
from training_pro.ui.panels.elsewhere import Elsewhere
from training_pro.ui.panels.largest_batch import LargestBatch
from training_pro.ui.panels.perplexity import Perplexity
from training_pro.ui.panels.placement import Placement
from training_pro.ui.panels.preview import Preview
from training_pro.ui.panels.queue import QueuePanel
from training_pro.ui.panels.recipes import Recipes
from training_pro.ui.panels.runs import RunsPanel
from training_pro.ui.panels.schedule import SchedulePanel
from training_pro.ui.panels.start import Start
from training_pro.ui.panels.tools import Tools
from training_pro.ui.panels.tryout import TryOut
from training_pro.ui.panels.verify import Verify
from training_pro.ui.panels.watch import Watch
from training_pro.ui.pieces import button, button_row
from training_pro.ui.views.markup import text


def build_tab(session: Session) -> None:
    """Build the tab where a page is being built (inside `gr.Blocks`, in the WebUI inside its `gr.Tab`)."""
    Tab(session).build()


class Tab:
    """The panels and what connects them. In multi-user mode there is nothing to press."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._editable = not session.host.multi_user
        self.form = Form(self._editable, file_choices(session.host.folders))
        self.verify = Verify(session, self.form)
        self.preview = Preview(self.form, self.verify)
        self.tools = Tools(session, self.form, self.verify)
        self.schedule = SchedulePanel(session, self.form, self.verify)
        self.largest_batch = LargestBatch(session, self.form)
        self.placement = Placement()
        self.recipes = Recipes(session, self.form, self.placement)
        self.start = Start(session, self.form, self.placement)
        self.elsewhere = Elsewhere(session)
        self.perplexity = Perplexity(session, self._editable)
        self.queue = QueuePanel(session, self.form, self._editable)
        self.notices = Notices()
        self.after = After(session, self.recipes)
        self.watch = Watch(session, self._editable)
        self.tryout = TryOut(session)
        self.runs = RunsPanel(session, self.recipes, self._editable)
        following: list[Follows] = [self.watch, self.perplexity, self.queue]
        following += [self.after, self.tryout] if self._editable else []
        following += [Lists(session, self._listed)]
        self.live = LiveUpdates(following, partial(pulse, session), partial(_goes, session))

    def build(self) -> None:
        with gr.Column(elem_classes=["training-pro"]):
            self.watch.build_host()
            with gr.Tabs():
                with gr.Tab("Train"):
                    self._build_train()
                with gr.Tab("Runs") as self.runs_tab:
                    self.runs.build()
                with gr.Tab("Queue"):
                    self.queue.build()
                with gr.Tab("Perplexity"):
                    self.perplexity.build()
            self.live.build()
        self._connect()

    def _build_train(self) -> None:
        with gr.Row():
            self.form.build_fields("name")
            if self._editable:
                self.recipes.build_choice()
            self.form.build_fields("override")
        self.form.build_rows(FIRST)
        gr.HTML(_where_texts_lie(self._session.host.folders), elem_classes=["tp-html"])
        self.form.build_part(DATA)
        self.form.build_part(BLOCKS)
        if self._editable:
            self.verify.build()
            self.preview.build()
            self.tools.build()
        self.form.build_part(ADAPTER)
        with self.form.part(BATCH):
            if self._editable:
                self.largest_batch.build()
            self.schedule.build()
        self.form.build_part(STOPS)
        self.form.build_part(WATCHING)
        if self._editable:
            self._build_helpers()
            self.placement.build()
            self.start.build()
            self.queue.build_add()
        self.watch.build_status()
        if self._editable:
            self.after.build()
            self.elsewhere.build()
        self.watch.build()
        self.notices.build()
        if self._editable:
            self.tryout.build()

    def _build_helpers(self) -> None:
        self.recipes.build()
        with button_row():
            self.wide = gr.Checkbox(
                False, label="Wide ranges", info="Sliders go to the end of what is allowed.", container=False
            )
            self.refresh = button("Refresh lists", "refresh", scale=0)

    # -- connecting -----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        page = Context.root_block
        assert page is not None, "build_tab is called while a page is built"
        said, form = self.watch.said, self.form.outputs
        runs = answering(self.runs.lists, self.runs.said, "listing the runs")
        self.runs_tab.select(runs, None, [*self.runs.listed, self.runs.said], **QUIET)
        fill = answering(self._fill, said, "reading the run")
        page.load(fill, None, [*form, said], **QUIET)
        self.runs.connect()
        self.perplexity.connect()
        self.queue.connect()
        self.notices.connect(page)
        self.watch.connect()
        self.live.connect(page)
        if self._editable:
            self._connect_work(page)

    def _connect_work(self, page: Any) -> None:
        said = self.watch.said
        installed = answering(self._installed, said, "reading the lists")
        page.load(installed, None, [*self.form.outputs, said], **QUIET)
        self.refresh.click(installed, None, [*self.form.outputs, said], **QUIET)
        files = answering(self._files, said, "reading the lists")
        self.refresh.click(files, None, [*self._filed, said], **QUIET)
        self.wide.change(self.form.widen, self.wide, self.form.outputs, **QUIET)
        panels = (self.verify, self.preview, self.tools, self.schedule, self.largest_batch, self.recipes, self.start)
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

    def _fill(self) -> dict[Any, Any]:
        """The settings of the run that goes or went last."""
        run = self._session.run
        return self.form.fill(run.settings) if run is not None else {self.watch.said: ""}


def _where_texts_lie(folders: Folders) -> str:
    """In words that need not be those of this machine; the whole path for those who rest on it."""
    inside = folders.datasets.relative_to(folders.user_data.parent)
    return (
        f'<p class="tp-none" title="{text(folders.datasets)}">Put texts and datasets into <b>{text(inside)}</b>; '
        "they are in the lists a moment later.</p>"
    )


def _goes(session: Session) -> bool:
    """Whether anything may be new any second."""
    measuring = session.measuring
    return session.busy or (measuring is not None and measuring.status.running)
