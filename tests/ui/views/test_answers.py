from __future__ import annotations

from dataclasses import replace

from tests.ui.made import NASTY
from tests.ui.views.test_markup import Reader
from training_pro.asking.job import Answer, Asked
from training_pro.asking.question import Question, Voice
from training_pro.record.votes import Tally
from training_pro.ui.views.answers import answers_view, tally_words

VOICES = (Voice(), Voice("sea", 0.5))


def asked(*states: str, **more: object) -> Asked:
    answers = tuple(Answer(v, f"words of {v.lora or 'none'}", s, 3, 1.0) for v, s in zip(VOICES, states, strict=True))
    blind = bool(more.pop("blind", False))
    return Asked(Question("Hello", VOICES, blind=blind), answers, **{"running": "writing" in states, **more})


def test_nothing_asked_shows_nothing() -> None:
    assert answers_view(None) == ""


def test_what_is_written_is_shown_and_can_be_cancelled() -> None:
    html = answers_view(asked("done", "writing"))
    assert "words of sea" in html and "sea × 0.5" in html and "tp-caret" in html and 'data-act="cancel"' in html


def test_a_blind_comparison_says_nothing_of_whose_answer_it_is() -> None:
    html = answers_view(asked("done", "done", blind=True))
    assert "×" not in html and "base model" not in html and " s<" not in html
    assert Reader(html).words.count("is better") == 2 and 'data-act="vote -1"' in html


def test_nobody_votes_while_it_is_written_or_twice_or_after_the_names_are_known() -> None:
    for view in (
        asked("done", "writing", blind=True),
        asked("done", "failed", blind=True),
        asked("done", "done", blind=True, voted=0),
        asked("done", "done", blind=True, revealed=True),
        asked("done", "done"),
    ):
        assert 'data-act="vote' not in answers_view(view)


def test_the_count_is_read_once_the_names_are() -> None:
    tally = Tally(("base model", "sea × 0.5"), (1, 3), 2)
    assert tally_words(tally).startswith("6 blind votes: sea × 0.5 3, base model 1, no difference 2")
    known = asked("done", "done", blind=True, revealed=True, voted=1, tally=tally)
    assert "6 blind votes" in answers_view(known) and "tp-best" in answers_view(known)


def test_nothing_from_outside_becomes_markup() -> None:
    voice = Voice(NASTY)
    status = Asked(Question(NASTY, (voice,)), (Answer(voice, NASTY, "failed", fault=NASTY),), False, NASTY, NASTY)
    assert "img" not in Reader(answers_view(status)).tags
    assert "img" not in Reader(answers_view(replace(status, running=True))).tags


def nothing(way: str, **more: object) -> str:
    answer = replace(Answer(Voice("sea"), "", "done", 1, 1.0), **more)
    return Reader(answers_view(Asked(Question("Hello", (Voice("sea"),)), (answer,), False, way=way))).words


def test_an_answer_of_nothing_says_why_and_what_to_do() -> None:
    assert "ended at once" in nothing("as it is") and '"As a chat"' in nothing("as it is")
    assert '"The prompt as it is"' in nothing("as a chat")
    assert "only blanks" in nothing("as it is", text=" \n", tokens=3)
    assert "Ask as" not in nothing("as it is", text="Ahoy") and "Ask as" not in nothing("as it is", state="cancelled")
