"""What becomes of what a model wrote, and which questions are of no use."""

from __future__ import annotations

import pytest

from training_pro.data.questions.judging import (
    ABOUT_THE_TEXT,
    DUPLICATE,
    EMPTY,
    NO_QUESTION,
    OTHER_LANGUAGE,
    REASONS,
    REPEATS,
    TOO_LONG,
    is_done,
    key_of,
    question_in,
    why_bad,
)

ANSWER = (
    "The lamp keeper climbs the tower at dusk and counts the steps, and there are ninety of them. She wiped the glass "
    "in the morning, when the gulls were still asleep. A ship passed far out, and its light answered hers."
)
GERMAN = "Der Wärter steigt am Abend auf den Turm. Die Lampe ist alt, und das Glas wird nicht oft geputzt."
JAPANESE = "灯台守は夕暮れに塔に登り、階段を数えます。"


@pytest.mark.parametrize(
    ("written", "question"),
    [
        ("Who climbs the tower?", "Who climbs the tower?"),
        ('  "Who climbs the tower?"\n', "Who climbs the tower?"),
        ("Question: Who climbs the tower?\nAnswer: She does.", "Who climbs the tower?"),
        ("Sure! Here is a question:\n\n**Who climbs the tower?**", "Who climbs the tower?"),
        ("1. Who climbs? 2. Who counts?", "Who climbs?"),
        ("<think>\nWhat do they want?\n</think>\n\nWho climbs the tower?", "Who climbs the tower?"),
        ("<think>\nWhat do they want?", ""),
        ("¿Quién sube a la torre?", "¿Quién sube a la torre?"),
        ("谁登上了塔？他数了台阶。", "谁登上了塔？"),
        ("The keeper climbs.\nShe counts.", "The keeper climbs."),
        ("", ""),
        ("\n\n", ""),
    ],
)
def test_the_question_in_what_was_written(written: str, question: str) -> None:
    assert question_in(written) == question


def test_writing_is_done_once_a_question_is_asked() -> None:
    assert [is_done(text) for text in ("Who climbs", "Who climbs?", "<think>Why?", "<think>Why?</think>Who?")] == [
        False, True, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("How many steps does the tower have?", ""),
        ("Who counts the steps at dusk?", ""),
        ("", EMPTY),
        ("?!", EMPTY),
        ("The keeper climbs the tower.", NO_QUESTION),
        ("Does the lamp keeper climb, and was she " + "very " * 90 + "tired?", TOO_LONG),
        ("She wiped the glass in the morning, when the gulls were still asleep?", REPEATS),
        ("Wer steigt am Abend auf den Turm und zählt die Stufen?", OTHER_LANGUAGE),
        ("谁登上了塔？", OTHER_LANGUAGE),
        ("What is the passage about?", ABOUT_THE_TEXT),
        ("What is the answer to this question?", ABOUT_THE_TEXT),
        ("What was the text of the song?", ABOUT_THE_TEXT),
        ("WHO climbs the tower ?", DUPLICATE),
    ],
)
def test_why_a_question_is_of_no_use(question: str, why: str) -> None:
    assert why_bad(question, ANSWER, {key_of("Who climbs the tower?")}) == why
    assert why == "" or why in REASONS


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("Wie alt ist die Lampe?", GERMAN, ""),
        ("Wie oft wird Glas geputzt?", GERMAN, ""),
        ("How old is the lamp, and who climbs the tower?", GERMAN, OTHER_LANGUAGE),
        ("灯台守はいつ塔に登りますか？", JAPANESE, ""),
        ("When does the keeper climb?", JAPANESE, OTHER_LANGUAGE),
        ("灯台守は夕暮れに塔に登り、階段を数えます？", JAPANESE, REPEATS),
        ("Grandmother Brass?", ANSWER, ""),
        ("Anything at all?", "12345 67890", ""),
        ("Who wrote the text of the song?", "The keeper wrote the text, and the tune is older than the tower.", ""),
    ],
)
def test_languages(question: str, answer: str, why: str) -> None:
    assert why_bad(question, answer) == why
