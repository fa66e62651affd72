from __future__ import annotations

import re

from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.settings import Settings
from training_pro.ui.views.schedule import MOST_MARKS, epoch_ends, planned_checkpoints, schedule_view


def test_checkpoints_come_every_n_updates_and_with_each_epoch() -> None:
    plan = make_plan(40, 4, 1, 2.0)
    assert epoch_ends(plan) == [10, 20]
    assert planned_checkpoints(Settings(save_steps=8), plan) == [8, 10, 16, 20]
    assert planned_checkpoints(Settings(save_steps=0), plan) == []


def test_very_many_checkpoints_are_thinned() -> None:
    plan = make_plan(40_000, 4, 1, 1.0)
    assert 0 < len(planned_checkpoints(Settings(save_steps=1), plan)) <= MOST_MARKS


def test_the_curve_rises_to_the_rate_and_falls_to_nothing(folders: Folders) -> None:
    plan = make_plan(400, 4, 1, 3.0, warmup_steps=20)
    html = schedule_view(Settings(warmup_steps=20, learning_rate=2e-4), plan, folders.schedules)
    line = re.findall(r'tp-line tp-loss" d="([^"]*)"', html)[0]
    heights = [float(height) for height in re.findall(r"[ML][\d.]+ ([\d.]+)", line)]
    assert heights[0] == heights[-1] == 1000.0
    assert min(heights) < 60
    assert "2e-4" in html


def test_a_schedule_that_follows_the_evaluation_is_not_drawn(folders: Folders) -> None:
    html = schedule_view(Settings(lr_scheduler_type="reduce_lr_on_plateau"), make_plan(4, 1, 1, 1.0), folders.schedules)
    assert "follows the evaluation loss" in html and "tp-line" not in html


def test_what_the_schedule_has_to_say_stands_below(folders: Folders) -> None:
    html = schedule_view(Settings(epochs=1.0), make_plan(400, 4, 1, 1.0), folders.schedules)
    assert "tp-info" in html
