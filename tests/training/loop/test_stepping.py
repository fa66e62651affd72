"""Out of memory in the optimizer's step: undone and taken again, or refused with the way out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from training_pro.errors import ModelError
from training_pro.training.loop.stepping import survive_out_of_memory


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    found = [torch.nn.Parameter(torch.randn(3, 4)) for _ in range(3)]
    for parameter in found:
        parameter.grad = torch.randn(3, 4)
    return found


class Failing(torch.optim.AdamW):
    """Runs out of memory in the steps given: before anything is changed, or after the first group."""

    def __init__(self, groups: Any, fails: set[int], midway: bool = False, error: Any = None) -> None:
        super().__init__(groups, lr=0.1)
        self.calls, self._fails, self._midway = 0, fails, midway
        self._error = error or torch.OutOfMemoryError("out of memory")

    def step(self, closure: Any = None) -> Any:
        self.calls += 1
        if self.calls not in self._fails:
            return super().step(closure)
        if self._midway:
            groups, self.param_groups = self.param_groups, self.param_groups[:1]
            super().step()
            self.param_groups = groups
        raise self._error


def groups_of(found: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    return [{"params": found[:1]}, {"params": found[1:]}]


def stepped(steps: int, fails: set[int], midway: bool) -> tuple[list[torch.nn.Parameter], list[str], Failing]:
    found, notes = parameters(), []
    optimizer = Failing(groups_of(found), fails, midway)
    survive_out_of_memory(optimizer, notes.append)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)  # wraps `step` as it does in a run
    for _ in range(steps):
        optimizer.step()
    return found, notes, optimizer


@pytest.mark.parametrize(
    ("steps", "fails", "midway"), [(1, {1}, False), (1, {1}, True), (3, {1}, True), (3, {3}, False)]
)
def test_the_step_is_taken_again_as_if_nothing_had_been(steps: int, fails: set[int], midway: bool) -> None:
    plain, _, _ = stepped(steps, set(), False)
    found, notes, optimizer = stepped(steps, fails, midway)
    assert all(torch.equal(a, b) for a, b in zip(plain, found, strict=True))
    assert notes == ["Out of memory in the optimizer's step; memory was freed and the step taken again."]
    assert optimizer.calls == steps + 1


def test_a_later_step_that_stopped_midway_can_not_be_undone() -> None:
    with pytest.raises(ModelError, match="Out of memory in the optimizer's step .*8-bit or paged optimizer"):
        stepped(3, {3}, midway=True)


def test_no_room_even_with_memory_freed() -> None:
    plain = parameters()
    found = parameters()
    optimizer = Failing(groups_of(found), {1, 2}, midway=True)
    survive_out_of_memory(optimizer, lambda _: None)
    with pytest.raises(ModelError, match="8-bit or paged"):
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(plain, found, strict=True))


def test_other_errors_pass() -> None:
    optimizer = Failing(groups_of(parameters()), {1}, error=RuntimeError("shape mismatch"))
    survive_out_of_memory(optimizer, lambda _: None)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        optimizer.step()
    assert optimizer.calls == 1
