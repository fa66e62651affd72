"""Scene breaks, form feeds and headings that are no cuts: counted, shown, and cut at on wish."""

from __future__ import annotations

import pytest

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.look_alikes import LOOK_ALIKES, CutLookAlike, cut_look_alikes, with_hard_cuts
from training_pro.text.sections import section_spans, unescape

SCENES = [
    "The keeper climbed the stair at dusk.",
    "Across the bay a bell rang twice.",
    "In the morning the boat was gone.",
    "Ada counted the ropes.",
]


def found(text: str, cut: str = "\n\n\n") -> list[CutLookAlike]:
    return cut_look_alikes(Corpus.of_texts([text]), [cut])


@pytest.mark.parametrize(
    ("between", "kind", "cut_string"),
    [
        ("\n\n* * *\n\n", "stars", "* * *"),
        ("\n***\n", "stars", "***"),
        ("\n\n\u2042\n\n", "stars", "\\n\u2042\\n"),
        ("\n\n  \u2022   \u2022   \u2022 \n\n", "stars", "\u2022   \u2022   \u2022"),
        ("\n---\n", "rules", "\\n---\\n"),
        ("\n\n#\n\n", "rules", "\\n#\\n"),
        ("\n\n\u25c6\n\n", "stars", "\\n\u25c6\\n"),
        ("\n\n\u00a7\n\n", "stars", "\\n\u00a7\\n"),
        ("\n\no O o\n\n", "ornaments", "\\no O o\\n"),
        ("\n\n~*~\n\n", "ornaments", "\\n~*~\\n"),
        ("\n-*-*-\n", "ornaments", "\\n-*-*-\\n"),
        ("\n\nx x x\n\n", "ornaments", "\\nx x x\\n"),
        ("\n\n[PAGE BREAK]\n\n", "break marks", "\\n[PAGE BREAK]\\n"),
        ("\n(scene break)\n", "break marks", "\\n(scene break)\\n"),
        ("\n\\newpage\n", "break marks", "\\n\\\\newpage\\n"),
        ("\f", "form feeds", "\\f"),
        ("\f\n", "form feeds", "\\f"),
    ],
)
def test_marks_written_in_one_way_come_with_the_cut_string_that_cuts_there(
    between: str, kind: str, cut_string: str
) -> None:
    text = between.join(SCENES)
    one = found(text)[0]
    assert (one.kind, one.count, one.cut_string) == (kind, 3, cut_string)
    sections = [text[start:end] for start, end in section_spans(text, [unescape(one.cut_string)])]
    assert sections == SCENES
    assert found(text, unescape(one.cut_string)) == []


@pytest.mark.parametrize("mark", ["\u00a7", "\u25a0", "\u25c6", "***", "\u2022 \u2022 \u2022"])
def test_a_mark_that_is_in_running_text_too_cuts_only_on_lines_of_its_own(mark: str) -> None:
    scenes = [f"As {mark} 5 says, {scene}" for scene in SCENES]
    text = f"\n\n{mark}\n\n".join(scenes) + f"\n\n{mark}"
    (one,) = found(text)
    assert (one.count, one.cut_string) == (4, f"\\n{mark}\\n")
    sections = [text[start:end] for start, end in section_spans(text, [unescape(one.cut_string)])]
    assert sections == [*scenes[:3], f"{scenes[3]}\n\n{mark}"]


@pytest.mark.parametrize("mark", ["\u00a7", "#", "---"])
def test_no_string_is_offered_that_would_miss_a_mark(mark: str) -> None:
    (one,) = found(f"\n\n   {mark}  \n\n".join(SCENES))
    assert (one.count, one.cut_string) == (3, "")


def test_marks_written_in_several_ways_are_counted_together() -> None:
    text = "\n\n* * *\n\n".join(SCENES[:3]) + "\n\n***\n\n" + SCENES[3]
    assert found(text) == [CutLookAlike("stars", 3, "* * *", "")]
    made, count = with_hard_cuts(text, frozenset({"stars"}))
    assert (count, [made[start:end] for start, end in section_spans(made, ["\n\n\n"])]) == (3, SCENES)


@pytest.mark.parametrize(
    "heading", ["Chapter {}", "CHAPTER {}. The Lamp", "## Part {}", "Kapitel {}", "\u7b2c{}\u7ae0"]
)
def test_headings_are_counted_and_stay_in_the_text(heading: str) -> None:
    text = "".join(f"\n\n{heading.format(number)}\n\n{scene}" for number, scene in enumerate(SCENES, start=1))
    one = found(text)[0]
    assert (one.kind, one.count, one.cut_string) == ("headings", 4, "")
    made, count = with_hard_cuts(text, frozenset({"headings"}))
    sections = [made[start:end] for start, end in section_spans(made, ["\n\n\n"])]
    assert count == 4
    assert sections == [f"{heading.format(number)}\n\n{scene}" for number, scene in enumerate(SCENES, start=1)]
    assert found(made) == []


@pytest.mark.parametrize(
    "text",
    [
        "\n\n\n".join(SCENES),
        "\n \n\n".join(SCENES),
        "Chapter 1\n\nOnce only.",
        "He read the chapter aloud.\n\nPart of it was dull, and so he began to skip more and more.",
        "- one\n- two\n\n**bold** words\n* a * b\n",
        'print("\\n\\n\\nEnd")\nx = "\\n\\n\\n\\n"\nThe cut is `\\n\\n\\n` here.\n',
        "He left\n\nPart of me\nwent too\n\nact as if\nI knew\n\nLetter from home\n\nBook a boat.\n\nScene by scene\n",
        "The Lamp\n========\n\nIt burned.\n\nThe Stair\n---------\n\nIt creaked.\n\nThe Sea\n-------\nIt was calm.\n",
        "",
    ],
)
def test_other_texts_show_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "headings",
    [
        ["Erstes Kapitel", "Zweites Kapitel", "Einundzwanzigstes Kapitel", "22. Kapitel: Der Turm"],
        ["Premier chapitre", "Deuxi\u00e8me chapitre", "TROISI\u00c8ME PARTIE", "Derni\u00e8re partie"],
        ["Primera parte", "Segundo libro", "Tercer acto", "Quinta parte"],
        ["Primo capitolo", "Seconda parte", "Terzo libro", "Quarto atto"],
        ["The First Part", "THE SECOND PART", "Twelfth Chapter", "3rd Scene"],
        ["\u041f\u0435\u0440\u0432\u0430\u044f \u0433\u043b\u0430\u0432\u0430"] * 4,
        ["Eerste hoofdstuk", "Tweede hoofdstuk", "Vierde deel", "Vijfde deel"],
    ],
    ids=["German", "French", "Spanish", "Italian", "English", "Russian", "Dutch"],
)
def test_headings_may_have_their_number_first(headings: list[str]) -> None:
    text = "".join(f"\n\n{heading}\n\n{scene}" for heading, scene in zip(headings, SCENES, strict=True))
    assert [(one.kind, one.count) for one in found(text)] == [("headings", 4)]


@pytest.mark.parametrize(
    "numbers",
    [["1", "2", "3", "4"], ["I", "II", "III", "IV"], ["[1]", "[2]", "[3]", "[4]"], ["v.", "VI.", "VII.", "I."]],
)
def test_lone_numbers_that_count_up_are_chapters(numbers: list[str]) -> None:
    text = "".join(f"\n\n{number}\n\n{scene}" for number, scene in zip(numbers, SCENES, strict=True))
    assert [(one.kind, one.count, one.cut_string) for one in found(text)] == [("numbers", 4, "")]
    made, count = with_hard_cuts(text, LOOK_ALIKES)
    sections = [made[start:end] for start, end in section_spans(made, ["\n\n\n"])]
    assert count == 4 and sections == [f"{number}\n\n{scene}" for number, scene in zip(numbers, SCENES, strict=True)]


def test_numbers_of_pages_and_results_are_no_chapters() -> None:
    pages = "".join(f"\n\nthe keeper went up\n\n{page}\n\nto the lamp again." for page in range(1, 9))
    results = "".join(f"\n\n{scene}\n\n{number}" for number, scene in zip((512, 9, 70, 3), SCENES, strict=True))
    for text in (pages, results):
        assert found(text) == [] and with_hard_cuts(text, LOOK_ALIKES) == (text, 0)


def test_sentences_and_marks_of_code_are_no_ornaments() -> None:
    text = "\n\n".join([*SCENES, "(x)", "->", "x = 0", "The best part", "Zweite Wahl", "x", "000", "[break the glass]"])
    assert found(text) == []


def test_titles_keep_their_underlines_and_their_texts() -> None:
    text = "The Lamp\n========\n\nIt burned.\n\nThe Stair\n---\n\nIt creaked.\n---\nThen it was quiet.\n"
    assert [(one.kind, one.count) for one in found(text)] == [("rules", 1)]
    made, count = with_hard_cuts(text, LOOK_ALIKES)
    assert count == 1 and made == text.replace("creaked.\n---", "creaked.\n\n\n")


@pytest.mark.parametrize(
    "headings",
    [
        ["Chapter One", "Chapter Two: Ropes", "Chapter the Third", "Chapter Twenty-four"],
        ["LETTER FROM ADA", "LETTER TO THE KEEPER", "PART THE LAST", "BOOK OPEN"],
        ["Kapitel eins", "Kapitel zw\u00f6lf", "Chapitre premier", "Cap\u00edtulo primero"],
    ],
)
def test_headings_may_have_their_number_in_words_or_be_in_capitals(headings: list[str]) -> None:
    text = "".join(f"\n\n{heading}\n\n{scene}" for heading, scene in zip(headings, SCENES, strict=True))
    assert [(one.kind, one.count) for one in found(text)] == [("headings", 4)]


@pytest.mark.parametrize(
    ("between", "kind", "cut_string"),
    [
        ("\n\n###\n\n", "rules", "\\n###\\n"),
        ("\n--\n", "rules", "\\n--\\n"),
        ("\n\n*\n\n", "stars", "\\n*\\n"),
        ("\n\n\u00b7\n\n", "stars", "\\n\u00b7\\n"),
        ("\n\n<hr>\n\n", "break marks", "\\n<hr>\\n"),
        (r"\n\n\n", "typed line ends", r"\\n\\n\\n"),
    ],
)
def test_small_marks_and_typed_line_ends_come_with_their_cut_string(between: str, kind: str, cut_string: str) -> None:
    text = between.join(SCENES)
    (one,) = found(text)
    assert (one.kind, one.count, one.cut_string) == (kind, 3, cut_string)
    assert [text[start:end] for start, end in section_spans(text, [unescape(cut_string)])] == SCENES


@pytest.mark.parametrize("blank", ["\u3000", " \u2003\t", "\u200b", "\ufeff"])
def test_blank_lines_with_wide_spaces_are_offered(blank: str) -> None:
    text = f"\n{blank}\n{blank}\n".join(SCENES)
    (one,) = found(text)
    assert (one.kind, one.count, one.cut_string) == ("wide blank lines", 3, "")
    assert with_hard_cuts(text, LOOK_ALIKES) == ("\n\n\n".join(SCENES), 3)


@pytest.mark.parametrize(
    "headings",
    [
        ["अध्याय 1", "अध्याय २: घंटी", "अध्याय तीन"],
        ["الفصل الأول", "الفصل الثاني: الجرس", "الباب 3"],
        ["1장", "제2장 종", "제 3 화"],
        ["Rozdział 1", "ROZDZIAŁ II", "Rozdział 3"],
    ],
)
def test_headings_of_other_scripts(headings: list[str]) -> None:
    text = "\n\n".join(f"{heading}\n\n{scene}" for heading, scene in zip(headings, SCENES, strict=False))
    (one,) = found(text)
    assert (one.kind, one.count) == ("headings", 2)


def test_two_chapters_are_enough_where_the_first_begins_the_text() -> None:
    (one,) = found(f"Chapter 1\n\n{SCENES[0]}\n\nChapter 2\n\n{SCENES[1]}")
    assert (one.kind, one.count, one.example) == ("headings", 1, "Chapter 2")
    assert found(f"{SCENES[0]}\n\nChapter 2\n\n{SCENES[1]}") == []


def test_labels_of_instructions_are_no_headings() -> None:
    assert found("### Instruction:\nSay it.\n\n### Response:\nIt.\n\n### Response:\nIt again.") == []


def test_lines_of_front_matter_are_no_cuts() -> None:
    head = "---\ntitle: A\n\n# So\n---\n"
    assert cut_look_alikes(Corpus.of_texts([f"{head}One.\n", f"{head}Two.\n"]), []) == []
    (found,) = cut_look_alikes(Corpus.of_texts([f"{head}One.\n---\nTwo.\n"]), [])
    assert (found.kind, found.count) == ("rules", 1)
