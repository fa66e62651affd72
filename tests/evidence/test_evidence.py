"""The evidence page says what the results say, and the experiments are what they claim to be. Needs no torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from evidence.arms import Arm, Claim, Comparison, Experiment
from evidence.experiments import EXPERIMENTS
from evidence.judging import grouped, outcome, verdict
from evidence.material import Question, material
from evidence.report import PAGE, page
from evidence.results import Line, add, asked_of, current, is_done, read
from training_pro.settings import Settings

TEXTS = ("market", "whole market", "kettle")
SAME_TOKENS = 0.1  # an update more or less


def line(arm: Arm, seed: int, recall: float, level: float = 0.0) -> Line:
    return Line(
        arm=arm.name,
        seed=seed,
        level=level,
        tokens=1000,
        updates=10,
        loss=1.0,
        measures={"recall": recall},
        seconds=1.0,
        asked=asked_of(arm),
        settings={},
        trainable=1,
        versions={},
    )


A, B = Arm("a"), Arm("b", {"rank": 8})
BEATS = Claim("a beats b", (Comparison("a", "b", "recall"),))
PAIR = Experiment("pair", "A pair", "Is a better?", "Yes.", "Two arms.", (A, B), (BEATS,))
HELD, PART, NOT = "held", "held in part", "not found"
ANSWERED = {  # the verdicts that each experiment's answer was read off
    "stop_loss": [NOT, HELD, PART, PART],
    "numbers": [HELD, PART, PART, HELD],
    "slicing": [PART, NOT, NOT, NOT, PART, PART],
    "targets": [NOT, NOT, PART, NOT],
    "schedules": [NOT, PART, HELD],
    "endings": [HELD, HELD, NOT],
    "accumulation": [NOT, PART, NOT],
    "sizes": [NOT, PART, HELD],
}


def judged(a: list[float], b: list[float]) -> str:
    lines = [line(A, seed, value) for seed, value in enumerate(a)] + [line(B, seed, v) for seed, v in enumerate(b)]
    return verdict(PAIR.claims[0], grouped(PAIR, lines))


def test_the_page_shows_the_figures_of_the_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m evidence report"


def test_the_page_follows_a_changed_result(tmp_path: Path) -> None:
    arm = EXPERIMENTS["targets"].arms[0]
    add("targets", [line(arm, 1, 0.4321)], tmp_path)
    assert "43 %" in page(tmp_path)
    assert "43 %" not in page(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0.5, 0.6, 0.7], [0.2, 0.3, 0.4], "held"),
        ([0.2, 0.3, 0.4], [0.5, 0.6, 0.7], "the opposite"),
        ([0.4, 0.5, 0.6], [0.3, 0.45, 0.5], "not found"),
        ([0.5, 0.6], [0.1, 0.2], "not yet run"),
        ([], [], "not yet run"),
    ],
)
def test_a_claim_holds_only_where_no_seed_contradicts_it(a: list[float], b: list[float], expected: str) -> None:
    assert judged(a, b) == expected


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_answer_belongs_to_the_verdicts_of_the_results(name: str) -> None:
    experiment = EXPERIMENTS[name]
    groups = grouped(experiment, current(experiment))
    found = [verdict(claim, groups) for claim in experiment.claims]
    assert found == ANSWERED[name], "write the experiment's answer again, then these verdicts"


def test_the_page_says_where_a_claim_was_clear_and_where_the_opposite() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert "| PRTS recalls more than chunks | **held in part** | PRTS against chunks (context 256) |" in written
    wanted = "DEMENTOR against PRTS (context 128). Clearly the opposite: DEMENTOR against PRTS (context 256) |"
    assert f"| {wanted}" in written
    everywhere = "everywhere: FP_low_epoch_annealing against constant (2 epochs; 3 epochs; 5 epochs)"
    assert f"| Constant and then cosine forgets less than constant | **held** | {everywhere} |" in written
    nowhere = "nowhere: stop loss 1.5 against stop loss 2.5; stop loss 0.5 against stop loss 1.5"
    assert f"| A stop loss below 2.5 recalls more facts | **not found** | {nowhere} |" in written


def test_less_is_better_for_losses() -> None:
    lines = [dataclasses.replace(line(A, s, 0), measures={"held_out_loss": 2.0 + s / 10}) for s in range(3)]
    lines += [dataclasses.replace(line(B, s, 0), measures={"held_out_loss": 3.0 + s / 10}) for s in range(3)]
    groups = grouped(PAIR, lines)
    assert outcome(Comparison("a", "b", "held_out_loss"), groups) == "as claimed"
    assert outcome(Comparison("b", "a", "held_out_loss"), groups) == "the opposite"


def test_a_result_of_an_older_definition_counts_no_longer(tmp_path: Path) -> None:
    add("pair", [line(A, 1, 0.5)], tmp_path)
    assert is_done(PAIR, A, 1, tmp_path) and not is_done(PAIR, A, 2, tmp_path)
    changed = dataclasses.replace(PAIR, arms=(dataclasses.replace(A, tokens=500), B))
    assert not is_done(changed, changed.arms[0], 1, tmp_path)
    assert current(changed, tmp_path) == []


def test_a_line_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = line(A, 1, 0.5)
    add("pair", [written], tmp_path)
    assert read("pair", tmp_path) == [written]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_can_be_run_and_its_claims_are_about_its_arms(name: str) -> None:
    experiment = EXPERIMENTS[name]
    assert experiment.name == name
    for arm in experiment.arms:
        Settings(**arm.all_settings())
        assert material(arm.text).questions
    known = {f"{arm.name} {level:g}" if level else arm.name for arm in experiment.arms for level in arm.levels or (0,)}
    named = {arm for claim in experiment.claims for c in claim.comparisons for arm in (c.better, c.worse)}
    assert named <= known
    assert len({arm.name for arm in experiment.arms}) == len(experiment.arms)


@pytest.mark.parametrize("name", sorted(set(EXPERIMENTS) - {"stop_loss"}))
def test_arms_that_are_compared_train_as_many_tokens(name: str) -> None:
    experiment = EXPERIMENTS[name]
    groups = grouped(experiment, current(experiment))
    for claim in experiment.claims:
        if "when its context grows" in claim.says:  # a longer context is more tokens: that is the claim
            continue
        for c in claim.comparisons:
            if c.better in groups and c.worse in groups:
                assert groups[c.better].tokens == pytest.approx(groups[c.worse].tokens, rel=SAME_TOKENS), c


@pytest.mark.parametrize("text", TEXTS)
def test_each_question_has_one_right_answer_that_the_trained_text_gives(text: str) -> None:
    found = material(text)
    assert found.trained and found.held_out
    for question in found.questions:
        options = (question.answer, *question.wrong)
        assert len(set(options)) == 5
        assert question.answer in found.text, question
        assert not any(option in question.prompt for option in options), question


def test_there_are_sixty_questions_and_more() -> None:
    questions: set[Question] = {question for text in TEXTS for question in material(text).questions}
    assert len(questions) >= 60


def test_held_out_sections_are_not_trained() -> None:
    for text in TEXTS:
        found = material(text)
        assert not any(section in found.text for section in found.held_out)
