"""The list of runs: open one, tick several to compare them, and for each a menu of what can be done with it.

Rows, ticks and menus are the page's script's (``assets/runs.js``); what they ask for comes here as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.errors import RunError, UserError
from training_pro.record.aside import aside_runs, delete_run, put_back, rename_run
from training_pro.record.lora_choices import has_weights
from training_pro.record.names import free_name
from training_pro.record.runs import SETTINGS_FILE, find_run, list_runs, read_run, write_notes
from training_pro.session import Session
from training_pro.ui.choices import BY_NAME, NEWEST, ordered_runs
from training_pro.ui.fields import Choice, meant
from training_pro.ui.hand import Hand
from training_pro.ui.handlers import IN_TURN, QUIET, answering
from training_pro.ui.live import Follows, Pulled
from training_pro.ui.newest import Newest
from training_pro.ui.panels.after import continue_run, resumes, use_in_chat
from training_pro.ui.panels.ask import Ask
from training_pro.ui.panels.began import Began
from training_pro.ui.panels.export import Export
from training_pro.ui.panels.folder_button import folder_said
from training_pro.ui.panels.further import CAN_BE_TRAINED_FURTHER, Further
from training_pro.ui.panels.perplexity import Perplexity
from training_pro.ui.panels.recipes import Recipes
from training_pro.ui.pieces import area, button, button_row, card, head
from training_pro.ui.views.markup import box, text
from training_pro.ui.views.runs import HAND, Over, comparison, run_in_full, runs_table

SCRIPT = Path(__file__).resolve().parents[2] / "assets" / "runs.js"
OVERS: list[tuple[str, Over]] = [("Over updates", "update"), ("Over epochs", "epoch"), ("Over time", "minutes")]
_SEARCH = (
    '<span class="tp-find"><span class="tp-ic tp-i-find" aria-hidden="true"></span>'
    '<input class="tp-search tp-run-search" type="search" placeholder="Name, text, model or #tag" '
    'aria-label="Search the runs"></span>'
)
_TICKED = (
    '<span class="tp-ticked tp-row" hidden><span class="tp-soft"></span>'
    '<button type="button" class="tp-btn tp-s" data-many="compare">Compare</button>'
    '<button type="button" class="tp-btn tp-s" data-many="untick">Untick</button>'
    '<button type="button" class="tp-btn tp-s" data-many="measure">Measure</button>'
    '<button type="button" class="tp-btn tp-s tp-stop" data-many="delete">Delete runs</button></span>'
)


class RunsPanel(Follows):
    """The panel of what has been trained."""

    def __init__(self, session: Session, editable: bool) -> None:
        self._session = session
        self._editable = editable
        self.hand = Hand(HAND)
        self.ask = Ask(session, "runs-ask")
        self._began = Began(session, "runs", elsewhere=True)
        self.further = Further(session, "runs", self._began)
        self._newest = Newest()
        self._deleted: dict[str, list[Path]] = {}  # by gradio's session, which is the page

    def build(self) -> None:
        with card("runs"):
            folder = text(self._session.host.folders.loras)
            with gr.Row(elem_classes=["tp-head"]):
                head("Runs")
                ticked = _TICKED if self._editable else ""
                gr.HTML(
                    f'<div class="tp-runs-head tp-row" data-folder="{folder}">{ticked}{_SEARCH}</div>',
                    elem_classes=["tp-html"],
                )
                self.order = gr.Radio(
                    [NEWEST, BY_NAME], value=NEWEST, show_label=False, label="Order of the runs",
                    elem_id="tp-runs-order", elem_classes=["tp-seg"], container=False,
                )  # fmt: skip
            self.table = area("runs-table")
            if self._editable:
                self._build_aside()
        self.open_names = gr.State([])
        with gr.Column(visible=False) as self.detail, card("runs-shown"):
            self.over = gr.Radio(
                OVERS, value="update", show_label=False, label="Compare", elem_id="tp-runs-over",
                elem_classes=["tp-seg"], container=False, visible=False,
            )  # fmt: skip
            self.view = area("runs-shown")
            if self._editable:
                self._build_edits()
        if self._editable:
            with gr.Column(visible=False) as self.asking, card("runs-ask"):
                self.ask.build()
        self._build_said()
        self.hand.build()

    def _build_said(self) -> None:
        """What was done, at the bottom of the window: in sight from the list and from below it, and nothing moves."""
        with gr.Column(elem_classes=["tp-told"]):
            self.said = area("runs-said")
            if self._editable:
                with button_row(visible=False) as self.undoing:
                    self.undo = button("Undo", "undo-delete")

    def _build_aside(self) -> None:
        with gr.Accordion("Deleted and set aside", open=False, elem_id="tp-aside-all"):
            with gr.Row():
                self.aside = gr.Dropdown(
                    [], label="Deleted or replaced run", info="Its files are still there.", elem_id="tp-aside",
                    elem_classes=["tp-field"],
                )  # fmt: skip
            with button_row():
                self.restore = button("Restore it", "restore")

    def _build_edits(self) -> None:
        with gr.Row(elem_classes=["tp-g2"], visible=False) as self.edits:
            self.notes = gr.Textbox(
                label="Notes on the run", info="Words with # are its tags: #good.", lines=2, max_lines=8,
                elem_id="tp-notes", elem_classes=["tp-field"],
            )  # fmt: skip
            self.new_name = gr.Textbox(label="New name", max_lines=1, elem_id="tp-new-name", elem_classes=["tp-field"])
            self.keep_notes = button("Save notes", "keep-notes")
            self.rename = button("Rename", "rename")
        with button_row(visible=False) as self.more:
            self.further.build()
            self.start_from = button("New run from it", "run-from")

    # -- hooking up -----------------------------------------------------------------------------------------------

    def connect(self, page: Any) -> None:
        """What everybody may do: look."""
        page.load(None, None, None, js=SCRIPT.read_text(encoding="utf-8"))
        over = answering(self._over, self.said, "comparing the runs")
        self.over.input(over, [self.open_names, self.over], [self.view, self.said], **IN_TURN)
        self.order.input(self._set_order, self.order, None, **IN_TURN)
        if not self._editable:
            acts = _Acts({"open": self._open, "show": self._open}, self._newest)
            self.hand.connect(answering(acts.do, self.said, "opening the run"), [self.said, *self._view])

    def connect_work(self, recipes: Recipes, export: Export, perplexity: Perplexity) -> None:
        """What changes something: `recipes`, `export` and `perplexity` are the panels that a row's menu leads to."""
        self._recipes, self._export, self._perplexity = recipes, export, perplexity
        self.ask.connect()
        acts: dict[str, Callable[..., dict[Any, Any]]] = {
            "open": self._open,
            "show": self._open,
            "ask": self._ask,
            "use": self._use,
            "copy": self._copy,
            "resume": self._resume,
            "measure": self._measure,
            "export": self._to_export,
            "folder": self._folder,
            "delete": self._delete,
        }
        others = [*recipes.filled, export.chooser.control, export.forecast, export.said, *perplexity.asked_about]
        outputs = [*self._changing, self.asking, self.ask.chooser.control, self.ask.said]
        do = answering(_Acts(acts, self._newest).do, self.said, "working on the run")
        self.hand.connect(do, list(dict.fromkeys([*outputs, *others])))
        edits: list[tuple[Any, Callable[..., Any], list[Any], str]] = [
            (self.keep_notes, self._keep_notes, [self.open_names, self.notes], "saving the notes"),
            (self.rename, self._rename, [self.open_names, self.new_name], "renaming the run"),
            (self.restore, self._restore, [self.aside], "restoring the run"),
            (self.undo, self._undo, [], "restoring the run"),
        ]
        for pressed, action, given, doing in edits:
            pressed.click(answering(action, self.said, doing), given, self._changing, **QUIET)

        self.further.connect(self._one, [self.open_names], self.said)
        begin = answering(self._start_from, self.said, "filling in the settings")
        filled = self.start_from.click(begin, self.open_names, [self.said, *recipes.filled], **QUIET)
        filled.then(None, None, None, js="() => window.trainingProRuns.go('copy')", **QUIET)

    @property
    def _view(self) -> list[Any]:
        view = [self.open_names, self.detail, self.view, self.over]
        return view + (
            [self.edits, self.notes, self.new_name, self.more, self.further.epochs, self.further.go]
            if self._editable
            else []
        )

    @property
    def _changing(self) -> list[Any]:
        return [self.said, self.undoing, *self._view, *self.listed]

    @property
    def pulled(self) -> list[Pulled]:
        """The order of the list, whoever chose it; and what became of a run begun here."""
        updates = {self.order: gr.update(value=BY_NAME if self._session.runs_by_name else NEWEST)}
        order = Pulled("runs-order", lambda: self._session.runs_by_name, [self.order], lambda: updates)
        return [order, self._began.pulled(self.said)]

    @property
    def listed(self) -> list[Any]:
        """The controls that `lists` fills."""
        return [self.table, *([self.aside] if self._editable else [])]

    def lists(self) -> dict[Any, Any]:
        """Fresh lists."""
        updates: dict[Any, Any] = {self.table: runs_table(ordered_runs(self._session))}
        if self._editable:
            updates[self.aside] = gr.update(choices=self._moved())
        return updates

    # -- looking --------------------------------------------------------------------------------------------------

    def _set_order(self, order: str) -> None:
        self._session.runs_by_name = order == BY_NAME

    def _open(self, names: Sequence[str], over: Over = "update") -> dict[Any, Any]:
        """One run in full, or several over each other; nothing for none."""
        records = [read_run(self._path(name)) for name in names]
        several = len(records) > 1
        view = comparison(records, over) if several else run_in_full(records[0]) if records else ""
        updates: dict[Any, Any] = {
            self.open_names: list(names),
            self.detail: gr.update(visible=bool(records)),
            self.over: gr.update(visible=several, value=over),
            self.view: view,
            self.said: "",
        }
        if self._editable:
            updates[self.edits] = gr.update(visible=len(records) == 1)
            ours = [record for record in records if record.summary.state in CAN_BE_TRAINED_FURTHER]
            usable = [record for record in records if has_weights(record.summary.path)]
            updates[self.more] = gr.update(visible=len(records) == 1 and bool(usable))
            for control in (self.further.epochs, self.further.go):
                updates[control] = gr.update(visible=bool(ours))
            updates[self.notes] = records[0].notes if len(records) == 1 else ""
            updates[self.new_name] = ""
        return updates

    def _over(self, names: list[str], over: str, request: gr.Request) -> dict[Any, Any]:
        """The comparison over something else, unless other runs were opened meanwhile."""
        overtaken = self._newest.begin(request)
        records = [read_run(self._path(name)) for name in names]
        view = comparison(records, meant(over, OVERS))  # type: ignore[arg-type]  # one of OVERS
        return {self.said: ""} if overtaken.is_set() else {self.view: view, self.said: ""}

    def _path(self, name: str) -> Path:
        return find_run(self._session.host.folders, name)

    def _one(self, names: Sequence[str]) -> Path:
        if len(names) != 1:
            raise RunError(f"{len(names)} runs are open. Open exactly one.")
        return self._path(names[0])

    # -- what a row's menu does -----------------------------------------------------------------------------------

    def _ask(self, names: Sequence[str]) -> dict[Any, Any]:
        path = self._one(names)
        usable = [one for one in self.ask.chooser.entries() if one.run == path]
        if not usable:
            raise RunError(f'The run "{path.name}" has no LoRA and no checkpoint to ask.')
        return {self.asking: gr.update(visible=True), **self.ask.about([usable[0].value]), self.said: ""}

    def _use(self, names: Sequence[str]) -> dict[Any, Any]:
        name = self._one(names).name
        use_in_chat(self._session, name)
        return {self.said: box("good", answers_with(name, in_webui=self._session.host.name == "webui"))}

    def _copy(self, names: Sequence[str]) -> dict[Any, Any]:
        filled = self._recipes.filled_from(self._one(names) / SETTINGS_FILE)
        return {**filled, self.said: box("info", "The settings are filled in under Train.")}

    def _start_from(self, names: Sequence[str]) -> dict[Any, Any]:
        """Its settings under a free name, to begin with its weights."""
        path = self._one(names)
        name = free_name(self._session.host.folders, path.name)
        if (path / SETTINGS_FILE).is_file():
            filled = self._recipes.filled_from(path / SETTINGS_FILE, name, start_from=path.name)
        else:
            filled = self._recipes.changed({"name": name, "start_from": path.name})
        said = f'The next run is called "{name}" and starts from "{path.name}". Change what you like and press Start.'
        return {**filled, self.said: box("info", said)}

    def _resume(self, names: Sequence[str]) -> dict[Any, Any]:
        run = continue_run(self._session, self._one(names))
        return {self.said: self._began.said(run, resumes(run))}

    def _measure(self, names: Sequence[str]) -> dict[Any, Any]:
        runs = [run for run in list_runs(self._session.host.folders) if run.name in names]
        return {**self._perplexity.about(runs), self.said: ""}

    def _to_export(self, names: Sequence[str]) -> dict[Any, Any]:
        path = self._one(names)
        usable = [one.value for one in self._export.chooser.entries() if one.run == path]
        return {**self._export.about(usable[0] if usable else path.name), self.said: ""}

    def _folder(self, names: Sequence[str], request: gr.Request) -> dict[Any, Any]:
        return {self.said: folder_said(self._one(names), request)}

    def _delete(self, names: Sequence[str], request: gr.Request) -> dict[Any, Any]:
        folders = self._session.host.folders
        gone, faults = [], []
        for name in names:
            try:
                gone.append((name, delete_run(folders, self._path(name))))
            except UserError as error:
                faults.append(str(error))
        self._deleted[str(request.session_hash)] = [path for _, path in gone]
        words = ", ".join(f'"{name}"' for name, _ in gone)
        there = "is deleted and stays" if len(gone) == 1 else "are deleted and stay"
        said = box("info", f"{words} {there} under Deleted and set aside.") if gone else ""
        return {
            **self.lists(),
            **self._open([]),
            self.said: said + box("error", faults),
            self.undoing: gr.update(visible=bool(gone)),
        }

    # -- what else can be done ------------------------------------------------------------------------------------

    def _undo(self, request: gr.Request) -> dict[Any, Any]:
        deleted = self._deleted.pop(str(request.session_hash), [])
        if not deleted:
            raise RunError("Nothing was deleted here since. Choose a run under Deleted and set aside.")
        back = [put_back(self._session.host.folders, path).name for path in deleted]
        return self._done(f"{', '.join(back)} {'is' if len(back) == 1 else 'are'} back.")

    def _restore(self, aside: str | None) -> dict[Any, Any]:
        if not aside or not isinstance(aside, str):
            raise RunError("Nothing is chosen. Choose a run under Deleted and set aside.")
        back = put_back(self._session.host.folders, Path(meant(aside, self._moved())))
        return self._done(f'"{back.name}" is back.')

    def _rename(self, names: list[str], name: str) -> dict[Any, Any]:
        path = self._one(names)
        new = rename_run(self._session.host.folders, path, name)
        return {**self._done(f'"{path.name}" is called "{new.name}" now.'), **self._open([new.name]), self.said: ""}

    def _keep_notes(self, names: list[str], notes: str) -> dict[Any, Any]:
        write_notes(self._one(names), str(notes or ""))
        return self._done("The notes are saved with the run.")

    def _done(self, said: str) -> dict[Any, Any]:
        return {**self.lists(), self.said: box("info", said), self.undoing: gr.update(visible=False)}

    def _moved(self) -> list[Choice]:
        moved = aside_runs(self._session.host.folders)
        return [(f"{run.name} ({run.why}, {run.moved[:16]})", str(run.path)) for run in moved]


def answers_with(name: str, *, in_webui: bool) -> str:
    """What to tell when the LoRA `name` is loaded, and where it answers."""
    where = "Open the Chat tab." if in_webui else "There is no chat on this page: choose Ask it in the menu of its row."
    return f'The model now answers with "{name}". {where}'


class _Acts:
    """What the script asks for, by name; some are told who asks."""

    def __init__(self, acts: dict[str, Callable[..., dict[Any, Any]]], newest: Newest) -> None:
        self._acts = acts
        self._newest = newest

    def do(self, given: str, request: gr.Request) -> dict[Any, Any]:
        overtaken = self._newest.begin(request)
        asked = json.loads(given or "{}")
        what, names = asked.get("do"), [str(name) for name in asked.get("names", [])]
        action = self._acts.get(what)
        if action is None:
            raise RunError(f"The page asks for {str(what)[:40]!r}, which can't be done here. Reload the page.")
        answer = action(names, request) if what in ("folder", "delete") else action(names)
        return {} if what in ("open", "show") and overtaken.is_set() else answer  # another was opened meanwhile
