from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.text.splitting.unwrapping import unwrap, wrapped_note

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


def test_characters_written_without_spaces_are_joined_without() -> None:
    line = "\u4ed6\u6162\u6162\u5730\u722c\u4e0a\u4e86\u5854\u697c\u7684\u957f\u957f\u7684\u697c\u68af" * 3
    assert unwrap("\n".join([line] * 4)).replace("\n", "") == line * 4


def test_korean_has_spaces_and_a_dash_is_no_hyphen() -> None:
    line = "\ub4f1\ub300\uc9c0\uae30\ub294 \ud574\uc9c8\ub158\uc5d0 \uae34 \uacc4\ub2e8\uc744 \uc62c\ub790\ub2e4 " * 3
    line = line.strip()
    assert unwrap(f"{line}\n{line}\n").split() == (line + " " + line).split()
    dashed = "The lamp keeper climbed the long stair at dusk, and counted all of its ninety steps -"
    assert unwrap(f"{dashed}\nand lit it.") == f"{dashed} and lit it."


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200) | st.lists(st.sampled_from(
    [PROSE, PROSE + "\n", "\n", "- a", "```\n", "A: b\n", "- ", " ", "\t", "\u2028", "\u3002"]
)).map("\n".join))  # fmt: skip
def test_nothing_visible_is_changed_and_no_two_paragraphs_become_one(text: str) -> None:
    made = unwrap(text)
    assert "".join(made.split()) == "".join(text.split())
    assert made.count("\n\n") == text.count("\n\n")


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
