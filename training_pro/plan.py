"""The arithmetic of a run: from blocks to batches, updates and warmup. Pure; costs nothing.

Every step here is an optimizer *update*. Source: SPEC "Batch and accumulation"; the ceilings match
transformers' Trainer, so that the plan shown before a run is the run. They are of the numbers as they were typed:
1.1 epochs of 100 updates are 110, though the float 1.1 is a little more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from training_pro.errors import DataError

AUTO_WARMUP = -1
_WARMUP_LOWERED = "Warmup lowered"


@dataclass(frozen=True)
class Plan:
    """What a run over `blocks` will do.

    `batch_size` counts the blocks on one device; each of `processes` has its own. `gradient_accumulation_steps` is
    the one really used; `notes` says, one sentence each, where the
    plan differs from what was asked. `begins_at`: the updates that were done before this part of the run; 0 unless it
    is trained further.
    """

    blocks: int
    batch_size: int
    gradient_accumulation_steps: int
    epochs: float
    batches_per_epoch: int
    updates_per_epoch: int
    total_updates: int
    warmup_steps: int
    notes: tuple[str, ...] = ()
    processes: int = 1
    begins_at: int = 0

    @property
    def own_updates(self) -> int:
        """How many updates this part of the run makes: its schedule and warmup are spread over them."""
        return self.total_updates - self.begins_at

    @property
    def blocks_at_once(self) -> int:
        """On all devices together."""
        return self.batch_size * self.processes

    @property
    def blocks_per_update(self) -> int:
        return self.blocks_at_once * self.gradient_accumulation_steps

    def without_warmup_note(self) -> Plan:
        """The same, for whom something else says what becomes of the warmup."""
        return replace(self, notes=tuple(note for note in self.notes if not note.startswith(_WARMUP_LOWERED)))


def make_plan(  # noqa: PLR0913 - all numbers of one piece of arithmetic
    blocks: int,
    batch_size: int,
    gradient_accumulation_steps: int,
    epochs: float,
    warmup_steps: int = 0,
    warmup_ratio: float = 0.0,
    *,
    processes: int = 1,
    begins_at: int = 0,
) -> Plan:
    """The plan of a run; warmup steps above 0 win over the ratio, and -1 (auto) without a ratio is what
    `suggested_warmup_steps` says.

    Raises:
        DataError: there is no block to train on.
    """
    if blocks < 1:
        raise DataError("The data gave 0 blocks to train on; choose another file or allow smaller blocks.")
    notes = []
    if processes > 1:
        notes.append(
            f"True Batch Size {batch_size} is per device: the {processes} processes train {batch_size * processes} "
            "blocks at once."
        )
    batches = math.ceil(blocks / (batch_size * processes))
    accumulation = min(gradient_accumulation_steps, batches)
    if accumulation < gradient_accumulation_steps:
        notes.append(
            f"Gradient Accumulation Steps lowered from {gradient_accumulation_steps} to {accumulation}: "
            f"{blocks} blocks at True Batch Size {_size_words(batch_size, processes)} make {batches} batches an epoch."
        )
    per_epoch = math.ceil(batches / accumulation)
    total = _share(epochs, per_epoch)
    plan = Plan(blocks, batch_size, accumulation, epochs, batches, per_epoch, total, 0, (), processes, begins_at)
    warmup = _warmup(plan, warmup_steps, warmup_ratio)
    if warmup > plan.own_updates:
        notes.append(f"{_WARMUP_LOWERED} from {warmup} to {plan.own_updates} updates, the length of the whole run.")
        warmup = plan.own_updates
    return replace(plan, warmup_steps=warmup, notes=tuple(notes))


def _warmup(plan: Plan, warmup_steps: int, warmup_ratio: float) -> int:
    """In updates; what the schedule could use of it is its own business."""
    if warmup_steps > 0:
        return warmup_steps
    if warmup_steps == AUTO_WARMUP and not warmup_ratio:
        return suggested_warmup_steps(plan) if plan.own_updates > 1 else 0
    return _share(warmup_ratio, plan.own_updates)


def _share(times: float, count: int) -> int:
    """`times` x `count`, rounded up, `times` being the shortest decimal that means this float."""
    return math.ceil(Fraction(repr(float(times))) * count)


def _size_words(batch_size: int, processes: int) -> str:
    return f"{batch_size} in {processes} processes" if processes > 1 else str(batch_size)


def suggested_warmup_steps(plan: Plan) -> int:
    """min(ceil(100 / accumulation), ceil(T / 10), U)."""
    return min(
        math.ceil(100 / plan.gradient_accumulation_steps), math.ceil(plan.own_updates / 10), plan.updates_per_epoch
    )


def suggested_save_steps(plan: Plan) -> tuple[int, int]:
    """The range of sensible checkpoint distances in updates: ceil(T / 10) to ceil(T / 5)."""
    return math.ceil(plan.total_updates / 10), math.ceil(plan.total_updates / 5)
