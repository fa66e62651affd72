from __future__ import annotations

from accelerate.state import PartialState

from training_pro.training.loop.optimizers import _steps


def test_trying_an_optimizer_leaves_accelerates_state_alone() -> None:
    """A page that opens lists the optimizers while a run may go in the same process."""
    PartialState(cpu=True)
    before = dict(PartialState._shared_state)
    assert before and _steps("adamw_torch", "cpu")
    assert PartialState._shared_state == before
