"""The runs in the order that pages list them in: the newest first, or by name. Costs what `list_runs` costs."""

from __future__ import annotations

from training_pro.record.runs import RunSummary, list_runs
from training_pro.session import Session
from training_pro.words import natural_key

NEWEST, BY_NAME = "Newest first", "By name"


def ordered_runs(session: Session) -> list[RunSummary]:
    """All runs and LoRAs of the host."""
    runs = list_runs(session.host.folders)
    return sorted(runs, key=lambda run: natural_key(run.name)) if session.runs_by_name else runs
