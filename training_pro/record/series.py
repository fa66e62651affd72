"""Named series of a run: what was measured now and then beside the loss, kept as events of its history.

A point is an event of the kind "measure" with the details {"series": name, "loss": nats per token}. Whoever draws a run
asks `series_of` and need not know which series there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from training_pro.record.history import Event

MEASURE = "measure"
GENERAL_TEXT = "General text"


def measured_event(series: str, update: int, loss: float) -> Event:
    """The event of one point; a loss that is no number is kept as text."""
    return Event(MEASURE, update, "", {"series": series, "loss": loss if math.isfinite(loss) else str(loss)})


def series_of(events: Iterable[Event]) -> dict[str, list[tuple[int, float]]]:
    """(update, loss) of each series by its name, in the order measured; what is no finite number is left out."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events:
        loss = event.details.get("loss")
        if event.kind == MEASURE and isinstance(loss, (int, float)) and math.isfinite(loss):
            found.setdefault(str(event.details.get("series", "")), []).append((event.update, float(loss)))
    return found
