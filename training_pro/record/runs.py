"""The runs in the host's LoRA folder: ours, the original extension's, the WebUI trainer's, and bare LoRAs.

A list reads a few small files and up to 60 places of each history: some 3 ms a run, however long it was.
A run that is half written or damaged is listed with its fault; nothing here ends the list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from training_pro.errors import RunError
from training_pro.folders import Folders
from training_pro.legacy_settings import is_legacy
from training_pro.record.adapter_files import CONFIG_FILE, OLD_WEIGHTS_FILE, WEIGHTS_FILE
from training_pro.record.checkpoints import CheckpointInfo, checkpoints
from training_pro.record.history import HISTORY_FILE, HistoryData, sample_history
from training_pro.record.log import GRAPH_FILE, LOG_FILE
from training_pro.record.points import Point, PointColumns, evenly
from training_pro.record.state import STATE_FILE, RunState, Standing, read_state, standing
from training_pro.record.thinned_history import read_thinned
from training_pro.record.whole_files import HIDDEN_ENDING, is_temporary, write_whole
from training_pro.small_files import json_in
from training_pro.words import reason_of, utc_time

SETTINGS_FILE = "training_parameters.json"
NOTES_FILE = "training_notes.txt"
SPARKLINE_POINTS = 60
_MOST_NOTES_CHARACTERS = 100_000
_TAG = re.compile(r"(?<!\S)#[\w-]+")
_SIGNS = (STATE_FILE, HISTORY_FILE, SETTINGS_FILE, LOG_FILE, GRAPH_FILE, CONFIG_FILE, WEIGHTS_FILE, OLD_WEIGHTS_FILE)
Origin = Literal["ours", "original", "webui", "other"]


@dataclass(frozen=True)
class RunSummary:
    """One line of the list. `fault`: the sentence on what can't be read of it, or "".

    `sparkline`: at most 60 losses, smoothed where we smoothed them; `created`: UTC, ISO 8601. `data` is what it was
    trained on, `rank` 0 where it is unknown, `tags` the words of its notes that begin with "#".
    """

    name: str
    path: Path
    origin: Origin = "other"
    state: Standing | Literal["foreign"] = "foreign"
    reason: str = ""
    created: str = ""
    updates: int = 0
    total_updates: int = 0
    last_loss: float | None = None
    best_eval_loss: float | None = None
    base_model: str = ""
    checkpoints: tuple[CheckpointInfo, ...] = ()
    sparkline: tuple[float, ...] = ()
    data: str = ""
    rank: int = 0
    tags: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class RunRecord:
    """All of one run: `settings` and `log` as the files have them (any dialect), `history` as a picture needs it."""

    summary: RunSummary
    settings: dict[str, Any]
    log: dict[str, Any]
    history: HistoryData
    notes: str


def list_runs(folders: Folders) -> list[RunSummary]:
    """All runs and LoRAs of the host, the latest first.

    Raises:
        RunError: the LoRA folder itself can't be read. No single run raises.
    """
    try:
        entries = [entry for entry in folders.loras.iterdir() if not _is_hidden(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"The LoRA folder {folders.loras} can't be read ({error.strerror}); check it.") from error
    runs = [summarize(entry) for entry in entries if _is_run(entry)]
    return sorted(runs, key=lambda run: (run.created, run.name), reverse=True)


def find_run(folders: Folders, name: str) -> Path:
    """The folder of the run `name` as the list shows it; without a look at any other.

    Raises:
        RunError: there is none.
    """
    path = folders.loras / name
    if path.parent != folders.loras or path.name != name or _is_hidden(path) or not _is_run(path):
        raise RunError(f'There is no run "{name[:100]}" any more. Refresh the list.')
    return path


def summarize(path: Path) -> RunSummary:
    """The list's line for the run in `path`; whatever is wrong with it is in `fault`."""
    summary = RunSummary(path.name, path)
    if path.is_symlink():
        return replace(summary, fault=f"{path.name} is a link and is skipped.")
    try:
        state = read_state(path)
        summary = replace(summary, created=_created(path, state), checkpoints=tuple(checkpoints(path)))
        summary = replace(summary, **_chosen(path), tags=tags_in(read_notes(path)))
        if state is None and not (path / HISTORY_FILE).exists():
            return _foreign(summary)
        return _ours(summary, state)
    except (RunError, OSError) as error:
        ours = (path / STATE_FILE).exists() or (path / HISTORY_FILE).exists()
        return replace(summary, origin="ours" if ours else "other", state="unfinished", fault=_sentence(path, error))


def is_untouched(path: Path) -> bool:
    """Whether nothing of a run is in `path` yet: it is not there, a crash came before its first file, or the run in it
    has failed before its first update and left nothing to continue from.

    Raises:
        RunError: the folder can't be read.
    """
    try:
        return all(is_temporary(entry.name) for entry in path.iterdir()) or _came_to_nothing(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise RunError(f"{path} can't be read ({error.strerror}); check the folder.") from error


def _came_to_nothing(path: Path) -> bool:
    try:
        state = read_state(path)
    except RunError:
        return False
    if state is None or state.state not in ("failed", "wrong") or state.update > 0 or read_notes(path):
        return False
    return not checkpoints(path) and not any((path / name).exists() for name in (WEIGHTS_FILE, OLD_WEIGHTS_FILE))


def read_run(path: Path) -> RunRecord:
    """The whole record of the run in `path`; parts that are missing are empty.

    Raises:
        RunError: there is no such run, or one of its files can't be read.
    """
    if path.is_symlink() or not path.is_dir():
        raise RunError(f'There is no LoRA "{path.name}" in {path.parent}; refresh the list.')
    summary = summarize(path)
    history = _history(path / HISTORY_FILE)
    if summary.origin != "ours":
        history = HistoryData(_foreign_points(path).snapshot())
    settings, log = _object(path / SETTINGS_FILE), _object(path / LOG_FILE)
    return RunRecord(summary, settings, log, history, read_notes(path))


def _history(path: Path) -> HistoryData:
    """The history as it is now; an unchanged file is not read again."""
    try:
        found = path.stat()
    except OSError:
        return read_thinned(path)
    return _read_once(path, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=16)  # of up to a megabyte each
def _read_once(path: Path, mark: tuple[int, int, int]) -> HistoryData:
    return read_thinned(path)


def read_notes(path: Path) -> str:
    """What a person wrote about the run.

    Raises:
        RunError: the file is there and can't be read.
    """
    try:
        return (path / NOTES_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RunError(f"{path / NOTES_FILE} can't be read ({error.strerror}); check the file.") from error


def write_notes(path: Path, text: str) -> None:
    """Keep `text` as the notes on the run.

    Raises:
        RunError: too long, the run is gone, or the disk refuses; the old notes are still there.
    """
    if len(text) > _MOST_NOTES_CHARACTERS:
        raise RunError(f"The notes have {len(text):,} characters; shorten them to {_MOST_NOTES_CHARACTERS:,}.")
    if path.is_symlink() or not path.is_dir():
        raise RunError(f'There is no LoRA "{path.name}" any more; refresh the list.')
    write_whole(path / NOTES_FILE, text)


def tags_in(notes: str) -> tuple[str, ...]:
    """The words of `notes` that begin with "#", each once."""
    return tuple(dict.fromkeys(_TAG.findall(notes)))


def _chosen(path: Path) -> dict[str, Any]:
    """What the settings file of any trainer says of data and rank."""
    settings = _object(path / SETTINGS_FILE)
    files = [settings.get(name) for name in ("text_file", "raw_text_file", "dataset")]
    named = [file for file in files if isinstance(file, str) and file not in ("", "None")]
    return {"data": " + ".join(named), "rank": _whole(settings.get("rank", settings.get("lora_rank")))}


def _is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name.endswith(HIDDEN_ENDING)


def _is_run(entry: Path) -> bool:
    """A folder that holds anything of a run; links are listed, so that it is seen why they are left alone."""
    try:
        if not entry.is_dir():
            return False
        return entry.is_symlink() or any((entry / sign).exists() for sign in _SIGNS) or bool(checkpoints(entry))
    except OSError:
        return True


def _ours(summary: RunSummary, state: RunState | None) -> RunSummary:
    path = summary.path
    sample = sample_history(path / HISTORY_FILE, SPARKLINE_POINTS)
    losses = [_best_loss(point) for point in sample]
    known = tuple(loss for loss in losses if math.isfinite(loss))
    now: Standing = standing(path, state) if state else "unfinished"
    state = state or RunState("failed", f"Its {STATE_FILE} is missing.")
    return replace(
        summary,
        origin="ours",
        state=now,
        reason=state.reason,
        updates=max(state.update, sample[-1].update if sample else 0),
        total_updates=state.total_updates,
        last_loss=known[-1] if known else state.last_loss,
        best_eval_loss=state.best_eval_loss,
        base_model=state.base_model,
        sparkline=known,
    )


def _foreign(summary: RunSummary) -> RunSummary:
    path = summary.path
    settings, log, config = _object(path / SETTINGS_FILE), _object(path / LOG_FILE), _object(path / CONFIG_FILE)
    points = _foreign_points(path).snapshot()
    losses = tuple(loss for loss in points.column("loss").tolist() if math.isfinite(loss))
    logged = log.get("loss")
    return replace(
        summary,
        origin=_origin(settings),
        updates=points[-1].update if len(points) else _whole(log.get("current_steps")),
        last_loss=losses[-1] if losses else (logged if isinstance(logged, float) else None),
        base_model=str(log.get("base_model_name") or config.get("base_model_name_or_path") or ""),
        sparkline=tuple(evenly(losses, SPARKLINE_POINTS)),
        fault=_foreign_fault(path),
    )


def _foreign_fault(path: Path) -> str:
    if (path / WEIGHTS_FILE).exists() or (path / OLD_WEIGHTS_FILE).exists():
        return ""
    return f"{path.name} has no {WEIGHTS_FILE}: its training was not finished."


def _origin(settings: Mapping[str, Any]) -> Origin:
    if not is_legacy(settings):
        return "other"
    return "original" if "precize_slicing_overlap" in settings or "training_projection" in settings else "webui"


def _foreign_points(path: Path) -> PointColumns:
    """The curve of the original (``training_graph.json``) or of transformers' own log in the last checkpoint."""
    rows = _json(path / GRAPH_FILE)
    if rows is None:
        last = checkpoints(path)[-1:]
        trainer_state = _object(last[0].path / "trainer_state.json") if last else {}
        rows = trainer_state.get("log_history")
    columns = PointColumns()
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and "loss" in row:
            columns.add(_foreign_point(row))
    return columns


def _foreign_point(row: Mapping[str, Any]) -> Point:
    return Point(
        update=_whole(row.get("current_steps", row.get("step"))),
        epoch=_number(row.get("epoch")),
        loss=_number(row.get("loss")),
        smoothed_loss=_number(row.get("loss")),
        learning_rate=_number(row.get("learning_rate")),
        grad_norm=_number(row.get("grad_norm")),
    )


def _created(path: Path, state: RunState | None) -> str:
    if state is not None and state.started:
        return state.started
    times = [(path / sign).stat().st_mtime for sign in _SIGNS if (path / sign).exists()]
    written = min(times, default=path.stat().st_mtime)
    return utc_time(written)


def _json(path: Path) -> Any:
    """What the JSON file holds; None when it is absent."""
    try:
        return json_in(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} can't be read ({reason_of(error)}). Correct or delete it.") from error


def _object(path: Path) -> dict[str, Any]:
    found = _json(path)
    return found if isinstance(found, dict) else {}


def _best_loss(point: Point) -> float:
    return point.smoothed_loss if math.isfinite(point.smoothed_loss) else point.loss


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e300 else math.nan


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 2**53 else 0


def _sentence(path: Path, error: RunError | OSError) -> str:
    return str(error) if isinstance(error, RunError) else f"{path} can't be read ({error.strerror}); check the folder."
