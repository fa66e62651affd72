"""What can be chosen right now: files in the host's folders, schedules, optimizers, runs. Looked up again each time."""

from __future__ import annotations

from typing import Any

import gradio as gr

from training_pro.data.files import list_datasets
from training_pro.data.rendering.formats import list_formats
from training_pro.data.rendering.templates import list_templates
from training_pro.folders import Folders
from training_pro.record.runs import RunSummary, list_runs
from training_pro.session import Session
from training_pro.training.learning_rate import schedule_names
from training_pro.training.loop.optimizers import available_optimizers
from training_pro.ui.fields import NOTHING, Choice, shown_choice
from training_pro.words import natural_key

Choices = dict[str, list[Choice]]
NEWEST, BY_NAME = "Newest first", "By name"
FILES = ("text_file", "dataset", "eval_dataset", "format", "chat_template")


def file_choices(folders: Folders) -> Choices:
    """The choices of the settings that name files. Costs a look into a few folders."""
    files = list_datasets(folders.datasets)
    texts = [file.name for file in files if file.kind == "text"]
    rows = [file.name for file in files if file.kind == "rows"]
    return {
        "text_file": _with_nothing(texts),
        "dataset": _with_nothing(rows),
        "eval_dataset": _with_nothing([*rows, *texts]),
        "format": _with_nothing(list_formats(folders.formats)),
        "chat_template": _with_nothing(list_templates(folders.instruction_templates)),
    }


def installed_choices(folders: Folders) -> Choices:
    """Schedules and optimizers that are installed here."""
    return {
        "lr_scheduler_type": [shown_choice(name) for name in schedule_names(folders.schedules)],
        "optimizer": [shown_choice(name) for name in available_optimizers()],
    }


def choice_updates(controls: dict[str, Any], choices: Choices) -> dict[Any, Any]:
    """Fresh lists for the controls of the form; what is chosen stays chosen."""
    return {controls[name]: gr.update(choices=listed) for name, listed in choices.items()}


def _with_nothing(names: list[str]) -> list[Choice]:
    return [NOTHING, *map(shown_choice, names)]


def ordered_runs(session: Session) -> list[RunSummary]:
    """All runs and LoRAs of the host, in the order that pages list them in."""
    runs = list_runs(session.host.folders)
    return sorted(runs, key=lambda run: natural_key(run.name)) if session.runs_by_name else runs
