"""Answers that have become noise are told from those that have not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.behaviours.moments import Moments
from tests.training.tiny import small_settings
from training_pro.training.behaviours.noise import Uncertainty, is_noise, repetition
from training_pro.training.behaviours.samples import Said, SampleAnswers

PROSE = Said("The keeper climbs the tower.", 40, 0.05, 2.1)
LOOPING = Said("the the the the", 40, 0.93, 0.4)
SALAD = Said("acht;]] Unter wore", 40, 0.0, 8.7)
SHORT = Said("Yes.", 3, 0.0, 0.5)


@pytest.mark.parametrize(
    ("now", "before", "noise"),
    [
        (PROSE, PROSE, False),
        (LOOPING, PROSE, True),
        (SALAD, PROSE, True),
        (LOOPING, LOOPING, False),
        (SALAD, SALAD, False),
        (SHORT, PROSE, False),
        (SALAD, None, False),
    ],
)
def test_noise(now: Said, before: Said | None, noise: bool) -> None:
    assert is_noise(now.measures(), before.measures() if before else None) is noise


def test_repetition_counts_groups_of_three() -> None:
    assert repetition(list(range(30))) == 0.0
    assert repetition([1, 2] * 20) == pytest.approx(1 - 2 / 38)
    assert repetition([1, 2] * 5) == 0.0  # too short to tell


def test_uncertainty_is_the_mean_entropy_and_changes_nothing() -> None:
    asked = Uncertainty()
    assert asked.mean_nats == 0.0
    certain, even = torch.tensor([[50.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 4)
    assert asked(torch.zeros(1, 1), certain) is certain
    assert asked(torch.zeros(1, 1), even) is even
    assert asked.mean_nats == pytest.approx(float(torch.log(torch.tensor(4.0))) / 2, abs=1e-6)
    forbidden = Uncertainty()
    forbidden(torch.zeros(1, 1), torch.tensor([[float("-inf"), 0.0]]))
    assert forbidden.mean_nats == pytest.approx(0.0, abs=1e-6)


def sampled(folder: Path, answers: list[list[Said]]) -> tuple[Moments, SampleAnswers, list[str]]:
    """A run whose sample prompts get these answers: before the first update, then every second one."""
    warned: list[str] = []
    prompts = [f"prompt {n}" for n in range(len(answers[0]))]
    settings = small_settings(sample_prompts="\n".join(prompts), sample_steps=2)
    moments = Moments(folder, settings, updates=2 * len(answers) - 2)
    said = iter([one for sampling in answers for one in sampling])
    samples = SampleAnswers(settings, moments.controls, moments.history, lambda *_: next(said), warned.append)
    moments.with_these(samples).begin()
    for _ in range(moments.total_updates):
        moments.train(2.0)
    moments.end()
    return moments, samples, warned


def test_half_of_the_answers_twice_in_a_row_are_told_once(tmp_path: Path) -> None:
    _, samples, warned = sampled(tmp_path, [[PROSE, PROSE], [LOOPING, PROSE], [PROSE, SALAD], [LOOPING, SALAD]])
    (sentence,) = warned
    assert "1 of 2 at update 4" in sentence and "Learning Rate" in sentence
    assert "2 of 2 at update 6" in samples.verdict


def test_a_single_time_or_a_few_answers_are_no_alarm(tmp_path: Path) -> None:
    three = [PROSE, PROSE, PROSE]
    _, samples, warned = sampled(tmp_path, [three, [LOOPING] * 3, three, [LOOPING, PROSE, PROSE], three])
    assert warned == [] and samples.verdict == ""


def test_at_the_runs_end_one_time_is_enough(tmp_path: Path) -> None:
    _, samples, warned = sampled(tmp_path, [[PROSE], [PROSE], [SALAD]])
    assert len(warned) == 1 and samples.verdict


def test_measures_stand_beside_each_answer(tmp_path: Path) -> None:
    moments, _, _ = sampled(tmp_path, [[PROSE], [LOOPING]])
    last = moments.history.events[-1].details
    assert (last["repetition"], last["entropy"], last["tokens"]) == (0.93, 0.4, 40)
