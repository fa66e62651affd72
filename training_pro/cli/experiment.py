"""``experiment SETTINGS --over NAME=VALUES``: one setting over several values, and the runs compared afterwards."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from training_pro.cli import common, settings_file
from training_pro.cli.queue import work_off
from training_pro.cli.terminal import say
from training_pro.errors import SettingsError
from training_pro.folders import Folders
from training_pro.record.whole_files import write_whole
from training_pro.settings import SPECS

if TYPE_CHECKING:
    from training_pro.queue.experiment import Experiment
    from training_pro.record.runs import RunSummary


def add_options(parser: argparse.ArgumentParser) -> None:
    settings_file.add_options(parser)
    parser.add_argument(
        "--over",
        required=True,
        metavar="NAME=VALUE,VALUE...",
        help="the setting and its values, e.g. --over gradient_accumulation_steps=1,2,4",
    )
    common.add_host_options(parser)


def run(options: argparse.Namespace) -> int:
    from training_pro.queue.experiment import experiment_from

    settings = settings_file.settings_of(options)
    over, equals, values = options.over.partition("=")
    if not equals:
        raise SettingsError([f"--over {options.over!r} has no values. Write NAME=VALUE,VALUE."])
    experiment = experiment_from(settings, over.strip(), values)
    session = common.session_from(options)
    added = session.queue.add(experiment.runs(), experiment.name, skip_done=True)
    code = work_off(session, added)
    for line in result_lines(experiment, session.host.folders):
        say(line)
    return code


def result_lines(experiment: Experiment, folders: Folders) -> Iterator[str]:
    """A table of the runs that exist, and where their curves are drawn over each other."""
    from training_pro.record.runs import summarize

    places = [folders.loras / settings.name for settings in experiment.runs()]
    found = [(value, path) for value, path in zip(experiment.values, places, strict=True) if path.is_dir()]
    if not found:
        return
    yield ""
    yield f"{SPECS[experiment.over].label:<30} updates   last loss   best evaluation   state"
    for value, path in found:
        yield _line(str(value), summarize(path))
    page = folders.experiments / f"{experiment.name}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    write_whole(page, _page(experiment.name, [path for _, path in found]))
    yield f"The curves over each other: {page}"


def _line(value: str, run: RunSummary) -> str:
    losses = [f"{loss:.4f}" if loss is not None else "-" for loss in (run.last_loss, run.best_eval_loss)]
    return f"{value:<30} {run.updates:>7,}   {losses[0]:>9}   {losses[1]:>15}   {run.state}"


def _page(title: str, paths: list[Path]) -> str:
    from training_pro.record.runs import read_run
    from training_pro.ui.views.runs import comparison_page

    return comparison_page(title, [read_run(path) for path in paths])
