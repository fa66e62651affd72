"""Which line ends are borders, and which parts no stop may split."""

from __future__ import annotations

import pytest

from training_pro.text.splitting.characters import Scan
from training_pro.text.splitting.line_borders import line_borders, open_fence

PROSE = "It was a long way to the river, and the road was\nworse than anybody at the inn had been willing to\nadmit."


def pieces(text: str) -> list[str]:
    edges = [0, *line_borders(Scan(text)).borders]
    return [text[start:end] for start, end in zip(edges, [*edges[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "marked",
    [
        "one line",
        PROSE,
        PROSE + "\n\n|" + PROSE,
        PROSE + "\n \t\n   |Next",
        "Title\n\x0c|Next page",
        "A\u2029|B",
        "Mira Holt\n|12 Mill Lane\n|Tollimer",
        "Under bare Ben Bulben's head\nIn Drumcliff churchyard Yeats is laid,\nAn ancestor was rector there",
        "To do:\n|- this, which is a long item that was wrapped\n  at the margin\n|- that",
        "He counted the sacks, then the other sacks that Anna\n- his sister - had hidden, and found eleven of them.",
        "1. One\n|2. Two\n|a) three\n|iv. four",
        "## Head\n|Text\n|***\n|Text",
        "2024-05-06 started\n|2024-05-07 ended",
        "<ann> hi\n|<bob> hi",
        "Ann: hi\n|Bob: hi\n|Ann: well",
        "He had one thing to say to them all: that he was not\nsorry.",
        "Ann: hi\nthere\n|Bob: hi",
        "They agreed in the end upon a single thing, which\nwas: leave at once and never come back to that river.",
        "小王：你好\n|小李：你好",
        "VOSS\n|Then sit.",
        "x" * 130 + "\n|next",
        "12/03/2024, 10:00 - Otter: is the lock open yet, and who has\n|12/03/2024, 10:01 - Wren: the key",
        "[12/03/2024, 10:00:11] Otter: is the lock open yet, and who has\n|\u200e[12/03/2024, 10:01:11] Wren: the key",
        "1/1/24, 0:00\u202fAM - Otter: is the lock open yet, and who has\n|1/1/24, 0:01\u202fAM - Wren: the key",
        "[01-Jan-24 10:00 AM] otter#1234\nis the lock open yet\n|[01-Jan-24 10:01 AM] wren#1234\nno",
        "Otter — Today at 10:00 AM\nis the lock open\n|Wren — Today at 10:01 AM\nno",
        "Otter  [10:00 AM]\nis the lock open\n|Wren  [10:01 AM]\nno",
        "[Thursday 10:00 AM] Otter\nis the lock open\n|[Thursday 10:01 AM] Wren\nno",
        "[Otter] [오전 10:00] is the lock open\n|[Wren] [오전 10:01] no",
        "Feb 01 10:00:11 <Otter>\tis the lock open\n|Feb 01 10:01:11 <Wren>\tno",
        "Feb 1, 2024, 10:00 AM - Otter: is the lock open\n|Feb 1, 2024, 10:01 AM - Wren: no",
        "Speaker 1 (00:00:11): is the lock open yet\n|Speaker 2 (00:01:11): since dawn",
        "0:00\nis the lock open\n|0:04\nno",
        "\u200f1\u200f/2\u200f/2024، 10:00 م - Otter: is it\n|\u200f1\u200f/2\u200f/2024، 10:01 م - Wren: no",
        "They waited at the station for a long while, until the\nmorning train (10:30): late, as always, and full.",
        "Otter, [01.01.2024 00:00]\nis it open or is it not open?\n|Wren, [01.01.2024 00:01]\nno",
        "2024-05-06T07:08:09 started the engine and then it ran\n|2024-05-06T07:09:10 ended",
        "They had met on the long stair of the tower on the\n12.03.2024 and never again; nobody knew why.",
    ],
)
def test_borders(marked: str) -> None:
    assert pieces(marked.replace("|", "")) == marked.split("|")


def test_table_rows() -> None:
    assert pieces("| a | b |\n| 1 | 2 |") == ["| a | b |\n", "| 1 | 2 |"]


def test_code_is_kept_whole_line_by_line() -> None:
    text = "So:\n```py\nf('A. B')\n\nend()\n```\nThen."
    found = line_borders(Scan(text))
    assert [text[start:] for start in found.borders] == [
        text[text.index(line) :] for line in ("```py", "f(", "end", "```\nThen", "Then")
    ]
    assert "f('A. B')" in [text[start:end] for start, end in found.whole]


def test_an_open_fence_goes_on_into_the_next_text() -> None:
    assert len(line_borders(Scan("b = 2\nc = 3"), fenced=True).borders) == 1
    assert len(line_borders(Scan("b = 2\nc = 3")).borders) == 0


@pytest.mark.parametrize("fenced", [False, True])
@pytest.mark.parametrize(
    ("text", "opened", "went_on"),
    [
        ("", False, True),
        ("b = 2\nc = 3\n", False, True),
        ("```\na = 1\n", True, False),
        ("b = 2\n  ~~~  \nThen.", True, False),
        ("```py\na\n", True, True),
        ("``` py ```\n```\u2028", False, False),
        ("so ``` it is", False, True),
    ],
)
def test_a_fence_is_open_or_closed_after_a_text(text: str, opened: bool, went_on: bool, fenced: bool) -> None:
    assert open_fence(text, fenced) is (went_on if fenced else opened)


def test_a_fence_with_a_language_opens_even_after_one_that_was_never_closed() -> None:
    verse = "Not code, this runs on\nand on"
    text = f"```\n{verse}\n\n```py\nx = 1\n```\n{verse}"
    assert text[text.rindex("Not") :] in pieces(text)
