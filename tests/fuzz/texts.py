"""Raw text on its way to sentences: nothing is lost and nothing is added, whatever the bytes are."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np

from tests.fuzz.target import answered, as_text, folder_with, in_parts, target
from training_pro.text import reading
from training_pro.text.reading import clean_text, read_text
from training_pro.text.sections import section_spans, unescape
from training_pro.text.splitting import sentences
from training_pro.text.splitting.abbreviations import MOST_WORD_CHARS, read_abbreviations
from training_pro.text.splitting.sentences import sentence_spans, split_sentences

PROSE = b'Mr. Smith said "no." He left at 5 p.m. on vol. 2; why? (Nobody knew...) ok.\n\n- one\n- two\n```\na. b\n```'


@target("text file", b"\xef\xbb\xbfa\r\nb\rc\n", "Ä\r\r\n€".encode(), b"a\0b\0c\0d\0e\0", b"\xff\xfea\0")
def text_file(content: bytes) -> None:
    """In pieces of any size it is the same clean text."""
    with folder_with({"a.txt": content}) as folder:
        found = answered(lambda: read_text(folder / "a.txt"))
        for size in (3, 4, 5):
            with patch.object(reading, "_READ_BYTES", size):
                assert found is None or read_text(folder / "a.txt") == found
    assert found is None or found == clean_text(content.decode("utf-8"))


@target(
    "sentences",
    PROSE,
    "「你好。」『再见！』नमस्ते। वह गया। قال: نعم؟ لا.".encode(),
    b"A: hi.\nB: hey!\n1. one 2. two\nz.B. a",
    b"\xed\xa0\x80. A",
)
def sentence_splitting(content: bytes) -> None:
    """They tile the text, in chunks of any size; none is white space alone."""
    text = as_text(content)
    for chars in (100_000, 40):
        with patch.object(sentences, "_CHUNK_CHARS", chars):
            found = split_sentences(text)
            assert "".join(found) == text
            assert all(sentence.strip() for sentence in found) or not text.strip()


@target(
    "hard cut", rb"\n\n\n" + b"\n---\na\n\n\n\nb\n\n\nc", rb"\x41\u00e9\U0001F600\\n" + b"\n---\nA", b"ab\n---\nababab"
)
def hard_cut(content: bytes) -> None:
    """What lies between the cuts, and nothing else; an escaped text comes back as it was."""
    typed, text = map(as_text, in_parts(content, 2))
    cut = unescape(typed)
    spans = section_spans(text, [cut])
    between = text.split(cut) if cut else [text]
    assert [text[start:end] for start, end in spans] == [part.strip() for part in between if part.strip()]
    assert unescape(text.replace("\\", "\\\\")) == text.replace("\r\n", "\n").replace("\r", "\n")
    if spans:
        starts, ends, numbers, *_ = sentence_spans(text, np.array(spans, dtype=np.int64))
        inside = ["".join(text[s:e].split()) for s, e in zip(starts.tolist(), ends.tolist(), strict=True)]
        assert "".join(inside) == "".join("".join(text[s:e].split()) for s, e in spans)
        assert all(spans[n][0] <= s < e <= spans[n][1] for s, e, n in zip(starts, ends, numbers, strict=True))


@target("abbreviations", b"bzw.\n# note\nDr. # title\n\xc3\x84.\n", b"\xef\xbb\xbfa.b\r\nc", b"two words\n")
def abbreviations(content: bytes) -> None:
    """No sentence ends with one, and the text is still tiled."""
    with folder_with({"abbreviations.txt": content}) as folder:
        words = answered(lambda: read_abbreviations(folder / "abbreviations.txt"))
    if words is None:
        return
    assert all(word and word == word.strip() and len(word.split()) == 1 for word in words), words
    assert all(len(word) <= 3 * MOST_WORD_CHARS for word in words)
    text = " ".join(f"x {word}. Next {word.upper()}." for word in sorted(words)[:20])
    assert "".join(split_sentences(text, words)) == text
