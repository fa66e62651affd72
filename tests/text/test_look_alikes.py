"""Scene breaks, form feeds and headings that are no cuts: counted, shown, and cut at on wish."""

from __future__ import annotations

import pytest

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.look_alikes import CutLookAlike, cut_look_alikes, with_hard_cuts
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
        ("\n\n\u2042\n\n", "stars", "\u2042"),
        ("\n\n  \u2022   \u2022   \u2022 \n\n", "stars", "\u2022   \u2022   \u2022"),
        ("\n---\n", "rules", "\\n---\\n"),
        ("\n\n#\n\n", "rules", "\\n#\\n"),
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
        "",
    ],
)
def test_other_texts_show_none(text: str) -> None:
    assert found(text) == []
