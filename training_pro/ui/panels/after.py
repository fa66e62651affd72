"""After a run: use its LoRA, open its folder, resume it, or take its settings again with changes.

Offers a run that was killed, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.errors import RunError
from training_pro.record.lora_choices import has_weights
from training_pro.record.names import free_name
from training_pro.record.runs import SETTINGS_FILE, list_runs
from training_pro.session import Session
from training_pro.training.resume import stored_settings
from training_pro.training.run import Run
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.labels import shown_value
from training_pro.ui.live import Follows, Pulled
from training_pro.ui.panels.began import Began
from training_pro.ui.panels.export import Export
from training_pro.ui.panels.folder_button import copy_on_click, folder_said
from training_pro.ui.panels.further import CAN_BE_TRAINED_FURTHER, Further
from training_pro.ui.panels.readiness import check_ready
from training_pro.ui.panels.recipes import Recipes
from training_pro.ui.pieces import area, button, button_row
from training_pro.ui.views.markup import box, text
from training_pro.ui.views.status import ended_badly, has_learned

USUAL_RATE = 3e-4  # of a LoRA, at most
_CAN_GO_ON = ("interrupted", "stopped", "failed", "unfinished")


@dataclass(frozen=True)
class Last:
    """The run that went last: of this session, or one that was cut off before it. `told`: the page shows its end;
    `badly`: its LoRA is probably worse than none, or there is none. `learned`: it made an
    update at least."""

    folder: Path
    state: str
    told: bool
    line: str = ""
    badly: bool = False
    learned: bool = True

    @property
    def usable(self) -> bool:
        """Whether there is a LoRA to use, not only checkpoints to resume from."""
        return has_weights(self.folder)


class After(Follows):
    """The row of buttons below the status; shown only when no run is in progress."""

    def __init__(self, session: Session, recipes: Recipes) -> None:
        self._session = session
        self._recipes = recipes
        self._began = Began(session, "after")
        self.further = Further(session, "after", self._began)

    def build(self) -> None:
        self.line = area("after-run")
        with button_row(visible=False) as self.row:
            self.use = button("Use it in chat", "put-on", variant="primary")
            self.stop_using = button("Stop using it", "take-off", visible=False)
            self.go_on = button("Resume this run", "after-continue")
            self.further.build()
            self.again = button("Train again with changes", "after-again")
            self.export = button("Export", "after-export")
            self.open = button("Open folder", "after-open")
        self.said = area("after-said")

    def connect(self, status: Any) -> None:
        """`status` is the area that tells how a run of this session ended, and where it is."""
        copy_on_click(self.open, self.line, status)
        use = answering(self._use, self.said, "loading the LoRA")
        self.use.click(use, None, self.said, **QUIET)
        stop_using = answering(self._stop_using, self.said, "unloading the LoRA")
        self.stop_using.click(stop_using, None, self.said, **QUIET)
        self.open.click(answering(self._open, self.said, "opening the folder"), None, self.said, **QUIET)
        go_on = answering(self._go_on, self.said, "resuming the run")
        self.go_on.click(go_on, None, [self.said, self.row], **QUIET)
        self.further.connect(lambda: self._there().folder, [], self.said)
        again = answering(self._again, self.said, "filling in the settings")
        filled = self.again.click(again, None, [self.said, *self._recipes.filled], **QUIET)
        filled.success(None, None, None, js="() => window.trainingProPage.newRun()", **QUIET)

    def connect_export(self, export: Export) -> None:
        """Let the button lead to the export of this run's LoRA."""
        choose = answering(lambda: export.about(self._there().folder.name), self.said, "choosing the LoRA")
        outputs = [self.said, export.chooser.control, export.forecast, export.said]
        chosen = self.export.click(choose, None, outputs, **QUIET)
        chosen.then(None, None, None, js="() => window.trainingProRuns.go('export')", **QUIET)

    # -- followed by every page -----------------------------------------------------------------------------------

    @property
    def pulled(self) -> list[Pulled]:
        """The row, when another run is the last one, or a run has begun."""
        stamp = partial(_went, self._session)
        outputs = [self.line, self.row, self.go_on, self.use, self.stop_using, self.export, self.again]
        outputs += [self.further.epochs, self.further.go]
        return [Pulled("after", stamp, outputs, self.updates), self._began.pulled(self.said)]

    def updates(self) -> dict[Any, Any]:
        """The row as it is now."""
        last = self._last()
        if last is None:
            return {self.line: "", self.row: gr.update(visible=False)}
        further = last.usable and last.state in CAN_BE_TRAINED_FURTHER
        used = self._session.host.loras_in_use() == [last.folder.name]
        main = self.again if last.badly else self.use if last.learned else self.go_on
        look = {one: "primary" if one is main else "secondary" for one in (self.again, self.use, self.go_on)}
        return {
            self.use: gr.update(visible=last.usable and not used, variant=look[self.use]),
            self.again: gr.update(value=self._again_words(last), variant=look[self.again]),
            self.stop_using: gr.update(visible=used),
            self.export: gr.update(visible=last.usable),
            self.further.epochs: gr.update(visible=further),
            self.further.go: gr.update(visible=further),
            self.line: "" if last.told else f'{box("warning", last.line)}<p class="tp-path">{text(last.folder)}</p>',
            self.row: gr.update(visible=True),
            self.go_on: gr.update(visible=last.state in _CAN_GO_ON, variant=look[self.go_on]),
        }

    def _last(self) -> Last | None:
        """None during a run, and where there is nothing to offer."""
        if self._session.busy:
            return None
        run = self._session.run
        if run is not None:
            ending = run.status.ending
            there = run.folder.is_dir()
            if not there:
                return None
            state, badly = ending.kind if ending else "", ended_badly(run)
            return Last(run.folder, state, told=True, badly=badly, learned=has_learned(run))
        return self._cut_off()

    def _cut_off(self) -> Last | None:
        """The latest run there is, if its process was killed; an older one is not brought up again and again."""
        runs = list_runs(self._session.host.folders)
        latest = next((found for found in runs if found.origin == "ours"), None)
        if latest is None or latest.state != "unfinished" or latest.fault:
            return None
        how_far = f"update {latest.updates:,} of {latest.total_updates:,}"
        line = f'The run "{latest.name}" was cut off at {how_far}. It can resume from its last checkpoint.'
        return Last(latest.path, latest.state, told=False, line=line)

    # -- what people do -------------------------------------------------------------------------------------------

    def _there(self) -> Last:
        last = self._last()
        if last is None:
            raise RunError("No run has ended yet. Start one, or choose one under Runs.")
        return last

    def _use(self) -> dict[Any, Any]:
        use_in_chat(self._session, self._there().folder.name)
        return {self.said: ""}

    def _stop_using(self) -> dict[Any, Any]:
        _refuse_while_occupied(self._session)
        self._session.host.stop_using_loras()
        return {self.said: ""}

    def _open(self, request: gr.Request) -> dict[Any, Any]:
        return {self.said: folder_said(self._there().folder, request)}

    def _go_on(self) -> dict[Any, Any]:
        run = continue_run(self._session, self._there().folder)
        return {self.said: self._began.said(run, resumes(run)), self.row: gr.update(visible=False)}

    def _again(self) -> dict[Any, Any]:
        """The form with its settings under a free name; after a rate that was too high with a usual one."""
        last = self._there()
        name, lower = free_name(self._session.host.folders, last.folder.name), self._lower_rate(last)
        more = {} if lower is None else {"learning_rate": lower}
        return {**self._recipes.filled_from(last.folder / SETTINGS_FILE, name, **more), self.said: ""}

    def _again_words(self, last: Last) -> str:
        lower = self._lower_rate(last)
        return (
            "Train again with changes" if lower is None else f"Train again with {shown_value('learning_rate', lower)}"
        )

    def _lower_rate(self, last: Last) -> float | None:
        """The learning rate to try after one that was too high; None where it was not."""
        run = self._session.run
        taught_harm = last.badly and last.state != "failed"  # which has other causes
        return USUAL_RATE if taught_harm and run is not None and run.settings.learning_rate > USUAL_RATE else None


def _went(session: Session) -> Any:
    return session.run, session.busy, tuple(session.host.loras_in_use())


def use_in_chat(session: Session, name: str) -> None:
    """Let the host's model answer with the LoRA `name`, in place of any other.

    Raises:
        UserError: the model is in use, or the LoRA can't be loaded.
    """
    _refuse_while_occupied(session)
    session.host.use_lora(name)


def _refuse_while_occupied(session: Session) -> None:
    occupied = session.occupied()
    if occupied:
        raise RunError(occupied)


def resumes(run: Run) -> str:
    """What is said of a run that was continued."""
    return f'The run "{run.settings.name}" resumes.'


def continue_run(session: Session, folder: Path) -> Run:
    """Resume the run in `folder` as it was chosen.

    Raises:
        UserError: it can't be resumed; with the way out.
    """
    check_ready(session)
    settings = stored_settings(folder)
    if settings is None:
        raise RunError(f"The settings of {folder.name} can't be read any more. Start it again under another name.")
    return session.start(settings.changed(name=folder.name, override=False), "continue", where=session.last_place)
