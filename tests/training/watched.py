"""Ways to reach into a run that is going: something happens at a certain micro-batch or update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from training_pro.training.behaviours.meter import Meter
from training_pro.training.loop.update import UpdateRunner


@contextmanager
def at_micro_batch(number: int, action: Callable[[], Any]) -> Iterator[None]:
    """Do `action` before the micro-batch of this number, counted from 1 over the whole run."""
    real, count = UpdateRunner._micro_batch, 0

    def counting(self: UpdateRunner, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count == number:
            action()
        return real(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UpdateRunner, "_micro_batch", counting)
        yield


@contextmanager
def after_updates(actions: dict[int, Callable[[], Any]]) -> Iterator[None]:
    """Do an action once the update of its number is measured."""
    real = Meter.after_update

    def acting(self: Meter) -> None:
        real(self)
        if self.trainer.update in actions:
            actions[self.trainer.update]()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Meter, "after_update", acting)
        yield
