"""After ten updates the time that is left is right to 15 %: on timings recorded from real runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training_pro.plan import make_plan
from training_pro.settings import Settings
from training_pro.training.remaining import Besides, Remaining
from training_pro.training.update_tokens import update_tokens

RUNS = json.loads((Path(__file__).parent / "recorded_runs.json").read_text())
NEAR = 0.15


def replayed(run: dict[str, Any]) -> list[tuple[int, float, float]]:
    """(update, seconds said to be left after it, seconds that were left) of a recorded run."""
    settings = Settings(**run["settings"])
    lengths = np.array(run["lengths"], np.int32)
    plan = make_plan(len(lengths), settings.batch_size, settings.gradient_accumulation_steps, settings.epochs)
    besides = Besides.of(settings, plan, run["evaluation_tokens"])
    remaining = Remaining(update_tokens(lengths, plan, settings), besides)
    passed = sum(seconds for _, _, seconds in run["log"])
    found = []
    for what, update, seconds in run["log"]:
        passed -= seconds
        if what == "update":
            remaining.updated(update, seconds)
            found.append((update, remaining.seconds_left(update) or 0.0, passed))
        else:
            remaining.did(what, seconds)
    return found


@pytest.mark.parametrize("run", RUNS, ids=[run["name"] for run in RUNS])
def test_right_to_15_percent_after_ten_updates(run: dict[str, Any]) -> None:
    by_update = {update: (said, was) for update, said, was in replayed(run)}
    assert len(by_update) >= 25
    for update in range(10, len(by_update) * 2 // 3):
        said, was = by_update[update]
        assert said == pytest.approx(was, rel=NEAR), f"after update {update}"


@pytest.mark.parametrize("run", RUNS, ids=[run["name"] for run in RUNS])
def test_better_than_updates_times_their_mean(run: dict[str, Any]) -> None:
    """The plain way, which knows neither lengths nor what is done besides, is further off somewhere."""
    found = replayed(run)
    took = [seconds for what, _, seconds in run["log"] if what == "update"]
    total, worst = len(took), [0.0, 0.0]
    for update, said, was in found[9 : total * 2 // 3]:
        plain = (total - update) * sum(took[:update]) / update
        for place, guess in enumerate((said, plain)):
            worst[place] = max(worst[place], abs(guess - was) / was)
    assert worst[0] < worst[1]
