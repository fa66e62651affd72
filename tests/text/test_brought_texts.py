"""Texts as people bring them: each small text is what a common way of writing, exporting or copying gives."""

from __future__ import annotations

from functools import partial

import pytest

from tests.text.tokenizer_zoo import encoder_of
from training_pro.text.blocks.blocks import Blocks
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.slicing import Slicing, slice_documents
from training_pro.text.findings import found_in
from training_pro.text.reading import clean_text
from training_pro.text.splitting.sentences import split_sentences
from training_pro.text.splitting.unwrapping import unwrap, wrapped_note
from training_pro.text.tokenizing.encoding import TextEncoder

SCENES = (
    "The keeper climbed the stair at dusk. He lit the lamp and wound the clock.",
    "Across the bay a bell rang twice. Nobody in the village looked up.",
    "In the morning the boat was gone. Ada counted the ropes again.",
)


def encoder() -> TextEncoder:
    return encoder_of("SentencePiece v1")


def texts_of(blocks: Blocks, kind: str = "packed") -> list[str]:
    found = [blocks.text(number) for number in range(len(blocks)) if blocks.block(number).kind == kind]
    return found


@pytest.mark.parametrize(
    "between", ["\n\n\n", "\n \n \n", "\r\n \r\n \r\n", "\n\t\n\t\n", "\n\u00a0\n\n", " \n\n \t\n\n \n"]
)
def test_scenes_separated_by_blank_lines_are_sections_of_their_own(between: str) -> None:
    text = clean_text(between.join(SCENES) + "\r\n")
    blocks = slice_documents([text], Slicing(4096), encoder())
    assert texts_of(blocks) == list(SCENES)


@pytest.mark.parametrize(
    ("between", "kind"),
    [("\n\n* * *\n\n", "stars"), ("\n\n\u2042\n\n", "stars"), ("\f", "form feeds"), ("\n---\n", "rules")],
)
def test_scenes_marked_in_another_way_are_found_and_can_be_cut(between: str, kind: str) -> None:
    text = between.join(SCENES)
    (one,) = found_in(Corpus.of_texts([text]), "\\n\\n\\n", encoder()).look_alikes
    assert (one.kind, one.count) == (kind, 2)
    assert texts_of(slice_documents([text], Slicing(4096, hard_cut=one.cut_string), encoder())) == list(SCENES)


LINES = " ".join(f"word{number % 17} and so on it went" for number in range(900)).split()
TALK = {
    "one line": " ".join(LINES),
    "lines of a transcript": "\n".join(" ".join(LINES[at : at + 9]) for at in range(0, len(LINES), 9)),
    "lines with times": "\n".join(f"{n // 60:02}:{n % 60:02} {' '.join(LINES[9 * n : 9 * n + 9])}" for n in range(400)),
    "Thai": " ".join(["ชายชราจุดตะเกียงและปีนบันไดขึ้นไปทุกเย็น"] * 200),
    "Thai paragraphs": "\n".join(["ลมทะเลพัดแรงจนหน้าต่างสั่น เขาไม่เคยกลัว เขายิ้มแล้วปิดประตู"] * 120),
}


@pytest.mark.parametrize("name", TALK)
def test_talk_without_stops_has_overlaps_and_depth(name: str) -> None:
    slicing = partial(Slicing, 512)
    packed = slice_documents([TALK[name]], slicing(), encoder()).report
    assert packed.overlap >= packed.packed - 2 > 1
    windows = slice_documents([TALK[name]], slicing(dementor=True), encoder()).report
    assert windows.depth > 3


@pytest.mark.parametrize(
    "line",
    [
        "{0:02}/03/2024, 10:{0:02} - Otter: is the lock open yet {0}",
        "[12/03/2024, 10:{0:02}:11] Wren: is the lock open yet {0}",
        "\u200e[12/03/2024, 10:{0:02}:11\u202fAM] Wren: \u200eimage omitted {0}",
        "1/{0}/24, 0:{0:02}\u202fPM - Otter: thanks you never see him {0}",
        "Otter, [01.01.2024 00:{0:02}]\nboat think rained never it the boat yes {0}\n",
        "[01-Jan-24 10:{0:02} AM] otter#1234\nis the lock open yet {0}\n",
        "<otter> is the lock open yet {0}",
        "[10:{0:02}] <otter> is the lock open yet {0}",
    ],
)
def test_each_message_of_a_log_is_a_sentence_and_none_is_joined(line: str) -> None:
    log = "\n".join(line.format(number % 60) for number in range(300)) + "\n"
    sentences = split_sentences(log)
    assert [sentence.strip() for sentence in sentences] == [line.format(number % 60).strip() for number in range(300)]
    assert unwrap(log) == log
    assert wrapped_note("log.txt", log) == ""
