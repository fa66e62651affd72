"""The check that runs by itself half a second after a change: what the run would be, shown below the files and beside
the form, with at most three remarks and a button for each.

The page's script (``assets/page.js``) presses the hidden button, once at a time: what changes meanwhile ends the check
that runs, and another one follows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from training_pro.data.repairs import Repair, repairs, repairs_of
from training_pro.errors import Cancelled, Fault, SettingsError, UserError, explain
from training_pro.progress import Progress
from training_pro.record.names import run_folder
from training_pro.session import Checked, Session, check_sources
from training_pro.settings import Settings
from training_pro.training.checks import name_faults
from training_pro.ui.form import BOTH, ROWS, TEXT, Form, Values
from training_pro.ui.hand import Hand
from training_pro.ui.handlers import AT_ONCE, CHECK, IN_TURN, answering
from training_pro.ui.newest import Newest
from training_pro.ui.panels.readiness import obstacle
from training_pro.ui.panels.repairs import Repairs
from training_pro.ui.pieces import area, button
from training_pro.ui.views import check as views
from training_pro.ui.views.markup import on_page

NOT_CHOSEN = {
    TEXT: "Choose a text or upload one.",
    ROWS: "Choose a dataset or upload one.",
    BOTH: "Choose a text and a dataset, or upload them.",
}


@dataclass(frozen=True)
class _Asked:
    """What a page holds: the form's `values` and the `kind` of data, the `columns` that it shows, and whose chat log it
    offers to mend."""

    values: Mapping[str, Any]
    kind: str
    columns: Sequence[str]
    repair: Repair | None


class Check:
    """The last check, which the preview and the curve show from as well."""

    def __init__(self, session: Session, form: Form) -> None:
        self._session = session
        self._form = form
        self._newest = Newest()  # ends the check that runs for a page
        self._lock = threading.Lock()
        self._last: tuple[Settings, Checked, object] | None = None
        self._drawn: dict[Any, Callable[..., dict[Any, Any]]] = {}
        self.number = 0  # of the last check; 0: there was none
        self.repairs = Repairs(session, form)

    def build_strip(self) -> None:
        """The line below the files, and what the page's script needs."""
        self.strip = area("strip", views.strip_says("info", views.NOT_CHECKED))
        self.marks = area("marks", elem_classes=["tp-hidden"])
        self.button = button("Check", "check", elem_classes=["tp-hidden"])
        self.outdated = button("End the check", "check-outdated", elem_classes=["tp-hidden"])

    def build_card(self) -> None:
        """The numbers of the run to be."""
        self.card = area("your-run", views.not_checked())

    def build_remarks(self) -> None:
        """Lines with a button each."""
        self.told = gr.State([])
        self.lines = area("remarks")
        self.use = Hand(views.REMARKS_HAND)
        self.use.build()

    def build_bar(self) -> None:
        """What the phone's bottom bar says beside Start."""
        self.bar = area("bar-said")

    @property
    def shown(self) -> list[Any]:
        """All that a check changes."""
        return [self.strip, self.marks, self.card, self.told, self.lines, self.bar, *self._drawn, *self.repairs.shown]

    def connect(self) -> None:
        inputs = self._form.inputs | {self.repairs.names, self.repairs.repair}
        self.done = self.button.click(self._check, inputs, self.shown, **IN_TURN)
        self.outdated.click(self._newest.overtake, None, None, **AT_ONCE)
        self.done.success(None, None, None, js="() => window.trainingProPage.answered()", **AT_ONCE)
        self.done.then(None, None, None, js="() => window.trainingProPage.checked()", **AT_ONCE)
        taken = [*self._form.outputs, self.repairs.said, self.strip]
        take = answering(self._take, self.repairs.said, "using a suggestion")
        used = self.use.connect(take, taken, {self.told, *self._form.inputs})
        used.then(None, None, None, js=CHECK, **AT_ONCE)
        self.repairs.connect()

    def draw_with(self, shown: Any, draw: Callable[[Settings, Checked], dict[Any, Any]]) -> None:
        """Let `draw` give what the HTML `shown` is to be after each check that finds nothing wrong."""
        self._drawn[shown] = answering(draw, shown, "drawing what was found")

    def forget(self) -> None:
        """Check again next time: something is known by now that was a guess."""
        self._last = None

    def checked(self, settings: Settings, progress: Progress) -> Checked:
        """The check of these settings; the last one is kept for as long as the files and the model are the same.

        Raises:
            UserError: see `Session.check`.
        """
        last, state = self._last, self._session.data_state(settings)
        if last is not None and last[0] == settings and last[2] == state:
            return last[1]
        check_sources(settings)
        with self._lock:
            checked = self._session.check(settings, progress)
            self.number += 1
        self._last = (settings, checked, state)
        return checked

    # -- what is shown ----------------------------------------------------------------------------------------------

    def _check(self, data: Values, request: gr.Request) -> dict[Any, Any]:
        overtaken = self._newest.begin(request)
        try:
            return self._found(data, overtaken)
        except Cancelled:
            return {self.strip: gr.update()}
        finally:
            self._newest.end(request, overtaken)

    def _found(self, data: Values, cancelled: threading.Event) -> dict[Any, Any]:
        kind = data.get(self._form.kind)
        asked = _Asked(
            self._form.values(data),
            kind if isinstance(kind, str) and kind in NOT_CHOSEN else TEXT,
            data.get(self.repairs.names) or (),
            data.get(self.repairs.repair),
        )
        try:
            settings = self._form.settings(data)
        except SettingsError as error:
            return self._faulty(None, error.faults, asked)
        if not settings.text_file and not settings.dataset:
            return self._empty(settings, asked)
        try:
            checked = self.checked(settings, _until(cancelled))
        except Cancelled:
            raise
        except SettingsError as error:
            return self._faulty(settings, error.faults, asked)
        except Exception as error:  # noqa: BLE001 - the page's last stop: a sentence, never a trace
            fault = Fault(explain(error, "checking the data"), getattr(error, "setting", ""))
            return self._faulty(settings, [fault], asked, repairs_of(error))
        return self._good(settings, checked, asked)

    def _good(self, settings: Settings, checked: Checked, asked: _Asked) -> dict[Any, Any]:
        stands, name_wrong = obstacle(self._session), self._name_faults(settings)
        refused = bool(checked.verification.refusals)
        fault = "Not ready" if stands or refused or name_wrong else ""
        found = repairs(checked.prepared.report, self._session.host.folders)
        told = views.remarks(checked, [stands] if stands else [], found)
        return {
            self.strip: views.strip(checked),
            self.marks: views.marks(settings, name_wrong, asked.values, self._told(settings)),
            self.card: views.your_run(checked, fault=fault),
            self.bar: views.bar_line(checked, len(told), fault),
            **self._remarks(told),
            **{control: update for draw in self._drawn.values() for control, update in draw(settings, checked).items()},
            **self.repairs.updates(settings, found, names=asked.columns, before=asked.repair),
        }

    def _empty(self, settings: Settings, asked: _Asked) -> dict[Any, Any]:
        stands = obstacle(self._session)
        told = [views.Remark("amber", stands)] if stands else []
        return {
            self.strip: views.strip_says("info", NOT_CHOSEN[asked.kind]),
            self.marks: views.marks(settings, (), asked.values, self._told(settings)),
            self.card: views.your_run(None, fault="No data yet"),
            self.bar: views.bar_line(None, 0, NOT_CHOSEN[asked.kind]),
            **self._remarks(told),
            **self.repairs.updates(settings),
        }

    def _faulty(
        self,
        settings: Settings | None,
        faults: Sequence[Fault],
        asked: _Asked,
        found: Sequence[Repair] = (),
    ) -> dict[Any, Any]:
        likeliest = found[0] if found else None
        told = [one for fault in faults if (one := views.fault_remark(fault, likeliest)) is not None]
        told += map(views.mending, found[1:])
        said = {one.sentence for one in told if one.button}
        sentence = " ".join(on_page(fault) for fault in faults if on_page(fault) not in said)
        return {
            self.strip: views.strip_says("red", sentence or "This data can't be trained as it is."),
            self.marks: views.marks(settings, faults, asked.values, self._told(settings)),
            self.card: views.your_run(None, fault="Not ready"),
            self.bar: views.bar_line(None, len(told), "Not ready"),
            **self._remarks(told),
            **self.repairs.updates(settings, faults=faults, names=asked.columns),
        }

    def _name_faults(self, settings: Settings) -> list[Fault]:
        folders = self._session.host.folders
        if not settings.name.strip():
            return [Fault("Type a name for the new LoRA.", "name")]
        faults = [replace(fault, setting="name") for fault in name_faults(settings.name, folders)]
        if not faults and run_folder(folders, settings.name).exists() and not settings.override:
            return []  # Start asks
        return faults

    def _told(self, settings: Settings | None) -> dict[str, str]:
        """What stands beside the name where it is taken, so that nobody learns it from Start alone."""
        if settings is None or not settings.name.strip():
            return {}
        run = self._session.run
        if run is not None and run.status.running and run.settings.name == settings.name.strip():
            return {"name": f'The run "{run.settings.name}" is in progress. Type another name for the next one.'}
        try:
            taken = self._session.name_taken(settings)
        except UserError:
            return {}  # which is a fault of its own
        return {"name": views.taken_words(settings, taken)} if taken is not None else {}

    def _remarks(self, told: list[views.Remark]) -> dict[Any, Any]:
        return {self.told: told, self.lines: views.remark_rows(told)}

    def _take(self, data: Values) -> dict[Any, Any]:
        """What the button of a remark does: it sets settings, or mends a file."""
        told: list[views.Remark] = data[self.told]
        place = int(data[self.use.given] or 0)
        if not 0 <= place < len(told):
            return {}
        one = told[place]
        return self.repairs.mended(one.repair, data) if one.repair is not None else self._form.change(one.changes)


def _until(cancelled: threading.Event) -> Progress:
    """Progress that nobody sees, which ends the work once `cancelled` is set."""

    def progress(done: int, total: int, what: str) -> None:
        if cancelled.is_set():
            raise Cancelled

    return progress
