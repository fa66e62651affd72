"""The files a run leaves behind besides the adapter: log, graph data, picture, model card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training_pro.data.report import DataReport
from training_pro.plan import Plan
from training_pro.record.card import Card, card_text
from training_pro.record.graph import draw_graph
from training_pro.record.history import HistoryData
from training_pro.record.log import RunLog, losses, write_graph_json, write_log
from training_pro.record.state import RunState
from training_pro.record.whole_files import write_whole
from training_pro.settings import Settings
from training_pro.training.owner import Trainable
from training_pro.training.status import Ending
from training_pro.words import utc_now

GRAPH_IMAGE = "training_graph.png"
CARD_FILE = "README.md"


@dataclass(frozen=True)
class Story:
    """A run that has ended, as its records tell it."""

    settings: Settings
    ending: Ending
    history: HistoryData
    plan: Plan
    data: DataReport
    state: RunState | None
    trainable_parameters: int = 0
    tokens: int = 0


def write_results(folder: Path, story: Story, base: Trainable) -> list[str]:
    """Write log, graph data, picture and card into `folder`; notes on what could not be made.

    A run that ended before its first update leaves the log alone.

    Raises:
        RunError: the disk refuses.
    """
    log = _log(story, base)
    write_log(folder, log)
    if not len(story.history.points):
        return []
    write_graph_json(folder, story.history.points)
    no_picture = draw_graph(story.history, folder / GRAPH_IMAGE, story.settings.name, story.settings.epochs)
    card = Card(story.settings, log, data_phrase(story.data), not no_picture, str(base.path))
    write_whole(folder / CARD_FILE, card_text(card))
    return [no_picture] if no_picture else []


def _log(story: Story, base: Trainable) -> RunLog:
    points = story.history.points
    last = points[-1] if len(points) else None
    state = story.state
    return RunLog(
        name=story.settings.name,
        state=story.ending.kind,
        reason=story.ending.reason,
        base_model_name=base.label,
        base_model_class=type(base.model).__name__,
        base_loaded_in_4bit=base.quantization == "4-bit",
        projections=story.settings.targets,
        trainable_parameters=story.trainable_parameters,
        updates=last.update if last else 0,
        total_updates=story.plan.total_updates,
        epochs=last.epoch if last else 0.0,
        tokens=story.tokens,
        runtime_s=last.elapsed_s if last else 0.0,
        started=state.started if state else "",
        finished=utc_now(),
        settings_fingerprint=state.settings_fingerprint if state else "",
        data_fingerprint=state.data_fingerprint if state else "",
        notes=tuple(event.text for event in story.history.events if event.kind == "note"),
        **losses(points),
    )


def data_phrase(report: DataReport) -> str:
    """Kind and size of the data: "sample.txt (text), 118 blocks; 6 held out"."""
    names = ", ".join(f"{source.name} ({source.kind})" for source in report.sources)
    held_out = f"; {report.eval_samples:,} held out for evaluation" if report.eval_samples else ""
    return f"{names}, {report.train_samples:,} blocks{held_out}"
