"""Measures how fast a run's updates would be, by some real ones on its own blocks; no trace of them stays.

Costs the time of two to six updates, some seconds at most, and the time to put a LoRA on the model.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from training_pro.data.batch_order import epoch_order
from training_pro.plan import Plan
from training_pro.progress import Progress
from training_pro.record.speeds import Speed
from training_pro.settings import Settings
from training_pro.training.memory.largest_batch import trials_on
from training_pro.training.pace import TRIAL

if TYPE_CHECKING:
    from training_pro.data.prepare import Prepared
    from training_pro.training.memory.run_memory import RunMemory
    from training_pro.training.owner import Trainable

_MOST_UPDATES = 5
_LONG_ENOUGH_S = 6.0


def speed_by_trial(
    loaded: Trainable, prepared: Prepared, settings: Settings, plan: Plan, memory: RunMemory, progress: Progress
) -> Speed:
    """Tokens a second of updates on typical batches, padding counted; the first one, which warms up, left out.

    Guarantees: the model and the random state are as before, whatever happens.

    Raises:
        ModelError: the settings can't be used on this model, or a block does not fit.
        Cancelled: from `progress`.
    """
    samples = prepared.train
    memory.begin(plan.batch_size, int(samples.lengths.max()))
    size = min(plan.batch_size, memory.at_once, len(samples))
    order = epoch_order(samples.lengths, size, settings.seed, 0, settings.group_by_length).tolist()
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    tokens = np.array([max(samples.lengths[batch]) * len(batch) for batch in batches], dtype=np.float64)
    typical = np.argsort(np.abs(tokens - tokens.mean()), kind="stable")[: _MOST_UPDATES + 1].tolist()
    done, seconds = 0.0, 0.0
    with trials_on(loaded, settings, progress) as trials:
        memory.checkpoint(loaded.model)
        trials.samples = samples
        for place, number in enumerate([typical[0], *typical[:_MOST_UPDATES]]):
            trials.order = batches[number]
            began = time.monotonic()
            trials.update(len(trials.order))
            if place:
                done, seconds = done + tokens[number], seconds + time.monotonic() - began
            if seconds > _LONG_ENOUGH_S:
                break
    return Speed(done / max(seconds, 1e-9), TRIAL)
