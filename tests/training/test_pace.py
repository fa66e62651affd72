"""How long a run will take, before it starts: from what was measured here, by a trial, or as a guess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.model.fingerprint import model_fingerprint
from tests.training.tiny import TinyOwner, TinySamples, prepared, small_settings, train
from training_pro.errors import Cancelled
from training_pro.hosts.host import LoadedModel
from training_pro.record.speeds import Speed, measured_speed, remember_speed
from training_pro.settings import Settings
from training_pro.training.memory.run_memory import RunMemory
from training_pro.training.pace import TRIAL, Pace, pace_at, pace_of, work_of
from training_pro.training.planning import plan_for
from training_pro.training.speed_trial import speed_by_trial
from training_pro.training.update_tokens import update_tokens

DATA = prepared(TinySamples(40), TinySamples(6, seed=1))


def plan_of(settings: Settings, tmp_path: Path) -> Any:
    return plan_for(settings, len(DATA.train), tmp_path)


def test_a_measured_speed_counts_and_a_guess_is_called_one(tiny_model: LoadedModel, tmp_path: Path) -> None:
    settings = small_settings(eval_steps=10, watch_forgetting=False)
    plan = plan_of(settings, tmp_path)
    assert pace_of(tiny_model, settings, DATA, plan, tmp_path).measured_in == ""
    remember_speed(tmp_path, work_of(tiny_model, settings, DATA, plan), Speed(50.0, "tales"))
    found = pace_of(tiny_model, settings, DATA, plan, tmp_path)
    tokens = float(update_tokens(DATA.train.lengths, plan, settings).sum())
    evaluations = 4 * float(DATA.eval.lengths.sum()) / 3  # type: ignore[union-attr]  # there is some; after 10, 20, 30 and 40
    assert plan.total_updates == 40
    assert found == Pace(pytest.approx((tokens + evaluations) / 50.0), "tales")  # type: ignore[arg-type]  # nearly that
    assert 'speed of the run "tales"' in found.sentence()


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"learning_rate": 1e-4}, True),
        ({"targets": "all"}, False),
        ({"use_dora": True}, False),
        ({"batch_size": 8}, False),
    ],
)
def test_what_decides_the_speed(tiny_model: LoadedModel, tmp_path: Path, changes: dict[str, Any], same: bool) -> None:
    one, other = small_settings(), small_settings(**changes)
    works = [work_of(tiny_model, s, DATA, plan_of(s, tmp_path)) for s in (one, other)]
    assert (works[0] == works[1]) is same


def test_a_run_remembers_how_fast_it_was(owner: TinyOwner) -> None:
    settings = small_settings(name="tales")
    train(owner, settings, DATA)
    work = work_of(owner.loaded, settings, DATA, plan_of(settings, owner.folders.schedules))
    speed = measured_speed(owner.folders.cache, work)
    assert speed is not None and speed.name == "tales" and speed.tokens_per_s > 1


def test_a_trial_measures_and_leaves_no_trace(tiny_model: LoadedModel, tmp_path: Path) -> None:
    settings = small_settings()
    plan = plan_of(settings, tmp_path)
    before, random = model_fingerprint(tiny_model.model), torch.get_rng_state()
    memory = RunMemory.of(tiny_model, settings, tmp_path)
    speed = speed_by_trial(tiny_model, DATA, settings, plan, memory, lambda *_: None)
    assert speed.name == TRIAL and speed.tokens_per_s > 1
    assert "speed of a trial" in pace_at(speed, settings, DATA, plan).sentence()
    assert model_fingerprint(tiny_model.model) == before and torch.equal(torch.get_rng_state(), random)

    def enough(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        speed_by_trial(tiny_model, DATA, settings, plan, memory, enough)
    assert model_fingerprint(tiny_model.model) == before


def test_a_run_of_one_update_has_a_time(tiny_model: LoadedModel, tmp_path: Path) -> None:
    few = replace(DATA, train=TinySamples(1), eval=None)
    settings = small_settings(epochs=1.0, watch_forgetting=False)
    plan = plan_for(settings, 1, tmp_path)
    assert pace_at(Speed(10.0, ""), settings, few, plan).seconds == pytest.approx(few.train.lengths[0] / 10.0)
