from __future__ import annotations

import re

from training_pro.folders import Folders
from training_pro.plan import make_plan
from training_pro.settings import Settings
from training_pro.ui.views.schedule import MOST_NAMED, epoch_ends, small_curve


def test_epochs_end_within_the_run() -> None:
    assert epoch_ends(make_plan(40, 4, 1, 2.0)) == [10, 20]


def test_the_curve_rises_to_the_rate_and_falls_to_nothing(folders: Folders) -> None:
    plan = make_plan(400, 4, 1, 3.0, warmup_steps=20)
    html = small_curve(Settings(warmup_steps=20, learning_rate=2e-4), plan, folders.schedules)
    line = re.findall(r'tp-p-rate" d="([^"]*)"', html)[0]
    heights = [float(height) for height in re.findall(r"[ML][\d.]+ ([\d.]+)", line)]
    assert heights[0] == heights[-1] == 1000.0
    assert min(heights) < 60
    assert re.findall("epoch [0-9]+", html) == ["epoch 2", "epoch 3"]


def test_very_many_epochs_have_no_names(folders: Folders) -> None:
    plan = make_plan(4, 1, 1, float(MOST_NAMED + 2))
    assert "tp-tag" not in small_curve(Settings(), plan, folders.schedules)


def test_a_schedule_that_follows_the_evaluation_is_not_drawn(folders: Folders) -> None:
    html = small_curve(Settings(lr_scheduler_type="reduce_lr_on_plateau"), make_plan(4, 1, 1, 1.0), folders.schedules)
    assert "reduce_lr_on_plateau" in html and "<svg" not in html


def test_what_the_schedule_has_to_say_stands_below(folders: Folders) -> None:
    html = small_curve(Settings(epochs=1.0), make_plan(400, 4, 1, 1.0), folders.schedules)
    assert "</svg>" in html and html.endswith("</p>")
