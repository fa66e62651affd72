"""The experiments, in the order in which they are run: what helps a newcomer most comes first."""

from __future__ import annotations

from evidence.arms import Experiment
from evidence.experiments.accumulation import ACCUMULATION
from evidence.experiments.endings import ENDINGS
from evidence.experiments.numbers import NUMBERS, SIZES
from evidence.experiments.schedules import SCHEDULES
from evidence.experiments.slicing import SLICING
from evidence.experiments.stop_loss import STOP_LOSS
from evidence.experiments.targets import TARGETS

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (STOP_LOSS, NUMBERS, SLICING, TARGETS, SCHEDULES, ENDINGS, ACCUMULATION, SIZES)
}
