"""Names before speeches: only in plays."""

from __future__ import annotations

import numpy as np

from training_pro.text.splitting.characters import Scan
from training_pro.text.splitting.speech import speaker_labels


def labels(*paragraphs: str) -> list[str]:
    text = "\n\n".join(paragraphs)
    starts = np.cumsum([0, *(len(paragraph) + 2 for paragraph in paragraphs[:-1])])
    return [text[start:end] for start, end in speaker_labels(Scan(text), starts)]


def test_names_that_come_again_are_labels() -> None:
    play = ["Ann. Who is it?", "Old Bob [aside]. Only I.", "Ann. You again.", "Old Bob. Yes."]
    assert labels(*play) == ["Ann. ", "Old Bob [aside]. ", "Ann. ", "Old Bob. "]


def test_short_sentences_in_prose_are_not() -> None:
    prose = ["Yes. She said so.", "They went down to the river.", "No. He had not.", "It rained.", "Yes. Again."]
    assert labels(*prose) == []


def test_answers_that_come_again_are_not_either() -> None:
    answers = ["Yes. He said so.", "No. He had not.", "Yes. Again.", "No. Never."]
    others = [f"{word}. It rained." for word in ("Perhaps", "Maybe", "Rain", "Snow", "Fog")]
    assert labels(*answers, *others) == []


def test_one_name_alone_is_no_play() -> None:
    assert labels("Stop. Go back.", "Stop. Go on.", "Stop. Go.") == []
