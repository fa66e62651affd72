from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.text.splitting.sentences import split_sentences
from training_pro.text.splitting.unwrapping import Unwrapped, unwrap, unwrapped, wrapped_note

SAMPLE = Path(__file__).parents[3] / "training_pro" / "assets" / "sample.txt"
WRAPPED = """\
The lamp keeper climbed the long stair at dusk, as he had done on each
evening of the last forty years, and counted the steps of the straw-
coloured tower aloud; nobody heard him but the gulls on the window sill
and the sea.

Far below the harbour lay in a blue dust, and the boats came home one by
one, their lanterns lit.
"""
PROSE = "The lamp keeper climbed the long stair at dusk, as he had done on each evening of the last"


def test_a_paragraph_becomes_one_line_and_stays_one_of_its_own() -> None:
    first, second = unwrap(WRAPPED).strip().split("\n\n")
    assert "\n" not in first and "\n" not in second
    assert "on each evening" in first and "straw-coloured tower" in first and first.endswith("the sea.")


@pytest.mark.parametrize(
    "kept",
    [
        "ANNA: Who is there?\nBOB: It is me, and I have brought the bread that you asked for.\nANNA: Come in.",
        "- bread, of the kind with the seeds on it, if there is any left\n- milk\n- a new lamp",
        "# The tower\nThe lamp keeper climbed the stair.",
        "```\nfor step in stairs:\n    climb(step)\n```",
        "Roses are red,\nviolets are blue,\nsugar is sweet\nand so are you.",
    ],
)
def test_lines_that_were_broken_for_their_own_sake_stay(kept: str) -> None:
    assert unwrap(kept) == kept
    assert unwrap(WRAPPED + "\n" + kept + "\n").endswith("\n" + kept + "\n")


@pytest.mark.parametrize("mark", ["  ", "    ", "\\"], ids=["spaces", "many", "backslash"])
def test_the_lines_that_markdown_breaks_stay(mark: str) -> None:
    first, second = WRAPPED.split("\n")[:2]
    for text in (f"{first}{mark}\n{second}\n", f"{first}\n{second},{mark}\n{first}\n"):
        assert unwrap(text).count(f"{mark}\n") == 1


def test_two_spaces_after_a_stop_break_no_line_where_sentences_have_them_between() -> None:
    first, second = f"{PROSE}.  ", "Then he slept.  It was late, and the wind had gone down to the shore and the boats."
    assert unwrap(f"{first}\n{second}\n") == f"{first.strip()} {second}\n"
    assert unwrap(f"{first}\n{second.replace('  ', ' ')}\n").count("\n") == 2


SPACED = "the keeper climbed the long stair at dusk, as he had done before  \n"
RUSSIAN_SPACED = "смотритель маяка медленно поднялся по длинной лестнице к лампе  \n"


@pytest.mark.parametrize("line", [SPACED, RUSSIAN_SPACED])
def test_spaces_at_nearly_all_ends_of_hard_wrapped_prose_break_no_lines(line: str) -> None:
    text = f"{line * 39}{line.strip()}\n{line.strip()}\n\n" * 3
    assert unwrap(text).count("\n") == 6 and wrapped_note("a.txt", text)


def test_the_last_piece_of_a_long_text_is_judged_as_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pro.text.splitting.unwrapping._CHUNK_CHARS", 100)
    assert unwrap(f"{SPACED * 4}\n" * 12).count("\n") == 24


@pytest.mark.parametrize("line", [SPACED.capitalize(), "where the river is  \n", "is it\nyes  \n"])
def test_lines_of_verse_that_markdown_breaks_stay(line: str) -> None:
    assert unwrap(line * 40) == line * 40


def test_characters_written_without_spaces_are_joined_without() -> None:
    line = "\u4ed6\u6162\u6162\u5730\u722c\u4e0a\u4e86\u5854\u697c\u7684\u957f\u957f\u7684\u697c\u68af" * 3
    assert unwrap("\n".join([line] * 4)).replace("\n", "") == line * 4


def test_korean_has_spaces_and_a_dash_is_no_hyphen() -> None:
    line = "\ub4f1\ub300\uc9c0\uae30\ub294 \ud574\uc9c8\ub158\uc5d0 \uae34 \uacc4\ub2e8\uc744 \uc62c\ub790\ub2e4 " * 3
    line = line.strip()
    assert unwrap(f"{line}\n{line}\n").split() == (line + " " + line).split()
    dashed = "The lamp keeper climbed the long stair at dusk, and counted all of its ninety steps -"
    assert unwrap(f"{dashed}\nand lit it.") == f"{dashed} and lit it."


def test_a_soft_hyphen_goes_and_a_hard_one_where_the_text_has_the_joined_word() -> None:
    line = "The keeper was a careful man of few words and of much less"
    soft = unwrapped(f"{line} pati\u00ad\nence than the villagers expected of him.\n")
    assert soft == Unwrapped(f"{line} patience than the villagers expected of him.\n", 1, 1, 0)
    hard = f"{line} pati-\nence than the villagers expected of him.\n"
    assert unwrapped(hard) == Unwrapped(f"{line} pati-ence than the villagers expected of him.\n", 1, 0, 1)
    known = unwrapped(f"{hard}\nPatience!\n")
    assert known == Unwrapped(f"{line} patience than the villagers expected of him.\n\nPatience!\n", 1, 1, 0)


def test_a_word_broken_in_a_short_line_is_joined_too() -> None:
    text = "The com\u00ad\nmittee had exam\u00ad\nined the harbour wall, which the keep-\ner knew; the keeper slept.\n"
    made = unwrapped(text)
    assert made.text == "The committee had examined the harbour wall, which the keeper knew; the keeper slept.\n"
    assert (made.joined, made.hyphens_gone, made.hyphens_kept) == (3, 3, 0)
    assert "3 line ends" in made.words() and "3 were removed" in made.words()


LOGS = [
    "{0}/{0}/24, {0}:0{0} - Otter: is the lock open yet, and who has the key to it now",
    "[12/03/2024, 10:0{0}:11] Wren: is the lock open yet, and who has the key to it now",
    "[01-Jan-24 10:0{0} AM] otter#1234\nis the lock open yet, and who has the\n",
    "Otter, [01.01.2024 00:0{0}]\nis the lock open yet, and who has\n",
    "<otter> is the lock open yet, and who has the key to it now",
]


@pytest.mark.parametrize("message", LOGS)
def test_no_two_messages_of_a_chat_log_are_joined_and_nothing_is_advised(message: str) -> None:
    log = "\n".join(message.format(number % 9 + 1) for number in range(300))
    assert unwrap(log) == log
    assert len(split_sentences(log)) == 300
    assert wrapped_note("log.txt", log) == ""


VERSE = "And often is his gold complexion dimmed,\nAnd every fair from fair sometime declines, or so\n"
SUBTITLE = "{0}\n00:00:0{0},000 --> 00:00:0{0},900\nis the lock of the gate open yet, and who\nhas the key to it\n\n"


@pytest.mark.parametrize(
    "text", [VERSE * 40, "".join(SUBTITLE.format(n % 10) for n in range(60)), "the river took my\n" * 60]
)
def test_verse_subtitles_and_lyrics_are_not_advised_to_be_joined(text: str) -> None:
    assert wrapped_note("a.txt", text) == ""


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200) | st.lists(st.sampled_from(
    [PROSE, PROSE + "\n", PROSE + "-", PROSE + "\u00ad", "\n", "- a", "```\n", "A: b\n", "- ", " ", "\t", "\u2028"]
)).map("\n".join))  # fmt: skip
def test_nothing_visible_is_changed_and_no_two_paragraphs_become_one(text: str) -> None:
    made = unwrap(text)
    assert _bare(made) == _bare(text)
    assert made.count("\n\n") == text.count("\n\n")


def _bare(text: str) -> str:
    """Without white space and hyphens."""
    return "".join(text.split()).translate(dict.fromkeys(map(ord, "-\u2010\u00ad")))


def test_a_long_text_is_joined_in_pieces_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (WRAPPED + "\n```\na = 1\n\nb = 2\n```\n\n") * 30
    whole = unwrap(text)
    monkeypatch.setattr("training_pro.text.splitting.unwrapping._CHUNK_CHARS", 100)
    assert unwrap(text) == whole


def test_a_wrapped_text_is_noted_and_no_other() -> None:
    assert '"Unwrap the Text file" under Tools' in wrapped_note("a.txt", WRAPPED * 20)
    assert wrapped_note("a.txt", WRAPPED) == "", "too few lines to tell"
    assert wrapped_note("a.txt", unwrap(WRAPPED * 20)) == ""
    assert wrapped_note("sample.txt", SAMPLE.read_text(encoding="utf-8")) == ""
    assert wrapped_note("a.txt", "") == ""
