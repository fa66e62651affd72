"""Problems that prevent a run, as far as they can be seen without its model: all at once, within a second or so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from training_pro.data.rendering.formats import load_format
from training_pro.data.rendering.templates import check_template
from training_pro.data.sources import found_sources
from training_pro.errors import Fault, UserError, faults_of
from training_pro.folders import Folders
from training_pro.record.names import run_folder
from training_pro.settings import Settings
from training_pro.text.splitting.abbreviations import read_abbreviations
from training_pro.training.general_text import general_text
from training_pro.training.start_from import started_from


def early_faults(settings: Settings, folders: Folders) -> list[Fault]:
    """A fault for each of data files, format, template, abbreviations, schedule, optimizer and logs that can't be
    used, apart from the name. What is not given at all is found by `check_sources`."""
    sources, faults = found_sources(settings, folders)
    kinds = {source.kind for source in sources}
    if settings.format and ("alpaca" in kinds or faults):
        faults += _faults(partial(load_format, settings.format, folders.formats))
    if settings.chat_template and (faults or kinds & {"sharegpt", "messages"}):
        faults += _faults(partial(check_template, settings.chat_template, folders.instruction_templates))
    if any(source.is_text for source in sources):
        faults += _faults(partial(read_abbreviations, folders.abbreviations))
    faults += _faults(partial(started_from, settings, folders))
    faults += _faults(partial(general_text, settings, folders))
    return [*dict.fromkeys(faults), *_training_faults(settings, folders)]


def name_faults(name: str, folders: Folders) -> list[Fault]:
    """Why a LoRA can't have this name, if it can't; a name that is taken is no fault here."""
    return list(_faults(partial(run_folder, folders, name)))


def _training_faults(settings: Settings, folders: Folders) -> Iterator[Fault]:
    from training_pro.training.behaviours.tensorboard_wandb import check_report
    from training_pro.training.learning_rate import check_schedule
    from training_pro.training.loop.optimizers import check_optimizer

    has_eval = bool(settings.eval_dataset) or settings.eval_percent > 0
    yield from _faults(partial(check_schedule, settings.lr_scheduler_type, folders.schedules, has_eval))
    yield from _faults(partial(check_optimizer, settings.optimizer))
    yield from _faults(partial(check_report, settings.report_to))


def _faults(check: Callable[[], Any]) -> Iterator[Fault]:
    try:
        check()
    except UserError as error:
        yield from faults_of(error)
