"""The queue on the page: the list as it is on every page, what can be done with it, and experiments.

The list belongs to the session; a page only shows it, and is sent what has changed with the run's own status.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.queue.entry import Entry
from training_pro.queue.experiment import experiment_from, experiment_settings
from training_pro.queue.run_queue import QueueView
from training_pro.session import Session
from training_pro.settings import SPECS
from training_pro.ui.form import Form, Values
from training_pro.ui.hand import Hand
from training_pro.ui.handlers import AT_ONCE, QUIET, answering
from training_pro.ui.live import Follows, Pulled, Shown, slot_area
from training_pro.ui.panels.readiness import obstacle
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.markup import box
from training_pro.ui.views.queue import AGAIN, DOWN, HAND, REMOVE, UP, experiment_view, queue_table


class QueuePanel(Follows):
    """Builds the panel where the page is being built; what it shows follows the queue."""

    def __init__(self, session: Session, form: Form, editable: bool) -> None:
        self._session = session
        self._queue = session.queue
        self._form = form
        self._editable = editable
        self._went = False
        self._ended = 0
        self._said_after = -1  # which end of the queue came before what was said last
        self.hand = Hand(HAND)

    def build_add(self) -> None:
        """The button beside Start."""
        with button_row():
            self.add = button("Add to the queue", "queue-add")
        self.added = area("queue-added")

    def build(self) -> None:
        self.table = slot_area("queue-table", queue_table(self._queue.view(), None, self._editable))
        if self._editable:
            self._build_edits()
            self._build_experiment()
            self.hand.build()
        self.result = slot_area("queue-result")

    def _build_edits(self) -> None:
        with button_row():
            self.start = button("Start the queue", "queue-start", variant="primary")
            self.stop = button("Stop after this run", "queue-stop", interactive=False)
            self.interrupt = button("Interrupt all", "queue-interrupt", interactive=False, variant="stop")
            self.clear = button("Clear what has ended", "queue-clear")
        self.said = area("queue-said")

    def _build_experiment(self) -> None:
        with gr.Accordion("Experiment: one setting over several values", open=False, elem_id="tp-experiment"):
            with gr.Row():
                choices = [(f"{SPECS[name].label} ({name})", name) for name in experiment_settings()]
                self.over = gr.Dropdown(
                    choices, value="gradient_accumulation_steps", label="Setting",
                    info="Everything else is as under Train.", elem_id="tp-experiment-over", min_width=220,
                    elem_classes=["tp-field"],
                )  # fmt: skip
                self.values = gr.Textbox(
                    "1, 2, 4", label="Values", info="Separated by commas. They become part of the names.",
                    max_lines=1, elem_id="tp-experiment-values", min_width=220,
                    elem_classes=["tp-field"],
                )  # fmt: skip
            with button_row():
                self.add_all = button("Add the experiment to the queue", "experiment-add")

    # -- hooking up -----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        if not self._editable:
            return
        add = answering(self._add, self.added, "adding to the queue")
        self.add.click(add, self._form.inputs, [self.added, *self.followed], **QUIET)
        asked = {*self._form.inputs, self.over, self.values}
        add_all = answering(self._add_experiment, self.said, "adding the experiment")
        self.add_all.click(add_all, asked, [self.said, *self.followed], **QUIET)
        actions: list[tuple[Any, Callable[[], str]]] = [
            (self.start, self._start),
            (self.stop, self._stop),
            (self.interrupt, self._interrupt),
            (self.clear, self._clear),
        ]
        for pressed, action in actions:
            act = answering(partial(self._act, action), self.said, "working on the queue")
            pressed.click(act, None, [self.said, *self.followed], **AT_ONCE)
        edit = answering(self.edit, self.said, "changing the queue")
        self.hand.connect(edit, [self.said, *self.followed])

    # -- followed by every page -----------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Shown]:
        """The list, and the comparison of the last experiment."""
        return [
            Shown("queue-table", self._listed, self._drawn),
            Shown("queue-result", lambda: _last_experiment(self._queue.view()), self._comparison),
        ]

    @property
    def pulled(self) -> list[Pulled]:
        """The buttons; when the queue has ended, old messages go."""
        if not self._editable:
            return []
        return [
            Pulled("queue", self._edited, self.followed, self._now),
            Pulled("queue-said", self._ends, [self.added, self.said], self._tidied),
        ]

    @property
    def followed(self) -> list[Any]:
        """The controls that are as the queue is."""
        return [self.start, self.stop, self.interrupt]

    def _drawn(self) -> str:
        return queue_table(self._queue.view(), self._percent(), self._editable)

    def _listed(self) -> Any:
        view = self._queue.view()
        return view, self._percent()

    def _ends(self) -> int:
        """How often the queue has ended."""
        was, self._went = self._went, self._queue.going
        self._ended += was and not self._went
        return self._ended

    def _tidied(self) -> dict[Any, Any]:
        """Nothing is said any more, unless it was said after the queue had ended."""
        return {} if self._said_after == self._ends() else {self.added: "", self.said: ""}

    def _edited(self) -> Any:
        view = self._queue.view()
        return view.entries, view.going, view.stopping

    def _percent(self) -> int | None:
        run = self._session.run
        if not self._queue.going or run is None or not run.status.running or not run.status.total_updates:
            return None
        return 100 * run.status.update // run.status.total_updates

    def _comparison(self) -> str:
        experiment, ended = _last_experiment(self._queue.view())
        folders = [self._session.host.folders.loras / entry.name for entry in ended]
        return experiment_view(experiment, [folder for folder in folders if folder.is_dir()]) if ended else ""

    # -- what people do -------------------------------------------------------------------------------------------

    def _now(self) -> dict[Any, Any]:
        view = self._queue.view()
        return {
            self.start: gr.update(interactive=bool(view.waiting) and (not view.going or view.stopping)),
            self.stop: gr.update(interactive=view.going and not view.stopping),
            self.interrupt: gr.update(interactive=view.going),
        }

    def _add(self, data: Values) -> dict[Any, Any]:
        self._said_after = self._ends()
        settings = self._form.settings(data)
        if any(entry.settings == settings for entry in self._queue.view().entries if not entry.has_ended):
            return {self.added: box("info", f'"{settings.name}" is in the queue already.')}
        (entry,) = self._queue.add([settings]).entries
        goes_on = "; the unfinished run of this name resumes" if entry.continues else ""
        said = box("info", f'"{entry.name}" waits in the queue{goes_on}. Start the queue under Runs.')
        return {self.added: said, **self._now()}

    def _add_experiment(self, data: Values) -> dict[Any, Any]:
        self._said_after = self._ends()
        experiment = experiment_from(self._form.settings(data), str(data[self.over] or ""), str(data[self.values]))
        added = self._queue.add(experiment.runs(), experiment.name, skip_done=True)
        said = [f"{len(added.entries)} runs of {experiment.name} wait in the queue."]
        if added.done:
            said.append(f"Finished already: {', '.join(added.done)}.")
        return {self.said: box("info", said), **self._now()}

    def _act(self, action: Callable[[], str]) -> dict[Any, Any]:
        self._said_after = self._ends()
        return {self.said: box("info", action()), **self._now()}

    def _start(self) -> str:
        if self._queue.going:
            self._queue.start()  # takes a stop back
            return "The queue is running."
        stands = obstacle(self._session)
        if stands:
            raise RunError(stands)
        after = self._session.occupied()
        self._queue.start()
        return f"The queue starts as soon as it can: {after}" if after else "The queue has started."

    def _stop(self) -> str:
        self._queue.stop()
        return "The queue ends after the current run." if self._queue.going else "The queue is not running."

    def _interrupt(self) -> str:
        goes = self._queue.going
        self._queue.interrupt()
        return "The current run ends with its batch, and no other starts." if goes else "The queue is not running."

    def _clear(self) -> str:
        count = self._queue.clear_ended()
        return f"{count} removed from the list; their files stay."

    def edit(self, wanted: str) -> dict[Any, Any]:
        """What a button of a line asks for: "up KEY"."""
        what, _, key = wanted.partition(" ")
        changes: dict[str, Callable[[str], Any]] = {
            UP: partial(self._queue.move, places=-1),
            DOWN: partial(self._queue.move, places=1),
            AGAIN: self._queue.again,
            REMOVE: self._queue.remove,
        }
        if what not in changes:
            raise RunError(f"The page asks for {what[:40]!r}, which can't be done here. Reload the page.")
        changes[what](key)
        return {self.said: "", **self._now()}


def _last_experiment(view: QueueView) -> tuple[str, tuple[Entry, ...]]:
    """The experiment that was added last, and those of its runs that have ended."""
    name = next((entry.experiment for entry in reversed(view.entries) if entry.experiment), "")
    ended = (entry for entry in view.entries if name and entry.experiment == name and entry.has_ended)
    return name, tuple(ended)
