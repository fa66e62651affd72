from __future__ import annotations

from typing import Any

import pytest

from training_pro.asking.question import (
    BASE,
    MOST_VOICES,
    Question,
    Sampling,
    Voice,
    check_question,
    voices_of,
)
from training_pro.errors import SettingsError

SEA = Voice("sea")


def test_each_lora_answers_at_each_strength_and_the_base_model_once() -> None:
    assert voices_of([BASE, "sea"], [0.5, 1.0]) == (Voice(BASE), Voice("sea", 0.5), SEA)
    assert voices_of(["sea"], [1.0, 1.0]) == (SEA,)


def test_voices_are_named_by_what_they_are() -> None:
    named = [Voice(), SEA, Voice("sea/checkpoint-40"), Voice("sea", 0.5)]
    assert [voice.label for voice in named] == ["base model", "sea", "sea · checkpoint 40", "sea × 0.5"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"voices": ()}, "Nobody is chosen"),
        ({"voices": tuple(Voice("sea", n / 10) for n in range(MOST_VOICES + 1))}, f"at most {MOST_VOICES}"),
        ({"voices": (Voice("sea", 2.5),)}, "Strength 2.5"),
        ({"voices": (Voice("sea", float("nan")),)}, "Strength nan"),
        ({"blind": True}, "two answers or more"),
        ({"sampling": Sampling(tokens=0)}, "Length of the answer 0"),
        ({"sampling": Sampling(temperature=-1)}, "Temperature -1"),
        ({"sampling": Sampling(top_p=0)}, "Top-p 0"),
        ({"sampling": Sampling(repetition_penalty=0.5)}, "Repetition penalty 0.5"),
        ({"sampling": Sampling(seed=-1)}, "Seed -1"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        check_question(Question(**{"prompt": "Hello", "voices": (SEA,), **changes}))


def test_all_faults_come_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        check_question(Question("", (), sampling=Sampling(tokens=0, temperature=9)))
    assert len(raised.value.faults) == 4


def test_a_good_question_passes() -> None:
    check_question(Question("Hello", (Voice(), Voice("sea", 0.0), Voice("sea", 2.0)), blind=True))
