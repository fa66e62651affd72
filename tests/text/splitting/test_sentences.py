"""Sentences: the tiling contract on any Unicode, the score on the marked cases, and the rules one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import sentences_score
from training_pro.text.splitting import sentences
from training_pro.text.splitting.sentences import sentence_spans, sentence_starts, split_sentences

CHUNK = sentences._CHUNK_CHARS

# Characters that make trouble: stops, quotes, white space of all kinds, marks that combine, halves of pairs.
_TROUBLE = (
    " .!?…。？「」”“\"'()[]\n\n\t\r\f\v\x85\xa0\u2028\u2029\u3000\x00\x1c\u0301\ufe0f\u200d\u200f\ud83d\ude00#-*>`|:;"
    "aAbé1९ßЖд中あกअاש😀𝐀\ue000\ufeff"
)
texts = st.one_of(
    st.text(st.sampled_from(_TROUBLE)),
    st.text(st.characters(exclude_categories=[])),
    st.lists(
        st.sampled_from(
            [
                "Mr. ",
                "etc. ",
                "He said. ",
                "“Run!” ",
                "```\n",
                "- a\n",
                "A: b\n",
                "。",
                "\n\n",
                "1. ",
                "x. ",
                "... ",
                " ",
            ]
        )
    ).map("".join),
)


def assert_tiled(text: str) -> None:
    pieces = split_sentences(text)
    assert "".join(pieces) == text
    starts = list(sentence_starts(text))
    assert starts == sorted(set(starts))
    assert bool(starts) == bool(text) and starts[:1] in ([], [0])
    if text.strip():
        assert all(piece.strip() for piece in pieces)
        assert not any(piece[0].isspace() for piece in pieces[1:])
    else:
        assert len(pieces) <= 1


@given(texts)
def test_any_text_is_tiled(text: str) -> None:
    assert_tiled(text)


@given(texts, st.integers(1, 40))
def test_any_text_is_tiled_in_small_chunks(text: str, chunk_chars: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentences, "_CHUNK_CHARS", chunk_chars)
        assert_tiled(text)


def test_marked_cases() -> None:
    cases = sentences_score.read_cases()
    assert len(cases) >= 150
    result = sentences_score.score(split_sentences, cases)
    assert not result.untiled
    assert result.f1 >= 0.99


@pytest.mark.parametrize(
    "marked",
    [
        "She slept. |(He was tired.) |She woke.",
        "See vol. 2, p. 14, and fig. 3 there. |It rained.",
        "He is taller than I am. |We meet at 5 am. Monday or at 9 am on Friday.",
        "Mr. J. R. Hartley met Dr. Ames at 5 p.m. on Main St. near No. 7. |Then he left.",
        "She stayed in the U.S. |Their son sang for the U.S. Navy.",
        "Bring tea, salt, etc. |Then sit, e.g. here, i.e. now.",
        '"Run!" cried Ada. |"Why?" Tom asked. |"It burns! |Look!"',
        "He waited... then spoke. |Well?! |Fine.",
        '"He waited... |Then he left." |So she stayed.',
        "Pi is 3.14 and v2.0.1 is in a.txt at x.org/a.b. |Good.",
        "This line was\nbroken for its width. |So was\nthis one.",
        "A heading\n\n|Its text. |More",
        "# Title\n|Words here. |More words.\n|- one\n|- two. |And more.\n|1. three",
        "Ann: Hello. |Are you there?\n|Bob: yes",
        "[12:01] <ann> hello\n|[12:02] <bob> yes. |no.",
        "INT. KITCHEN - NIGHT\n\n|ANN\n|(softly)\n|Who is there?",
        "Ann. Who is there?\n\n|Bob. Only I.\n\n|Ann. You again.\n\n|Bob. Yes.",
        'Run it:\n|```c\n|puts("Hi. Bye.");\n|\n|```\n|Done.'.replace("|\n", "\n"),
        "O rose thou art sick,\nThe invisible worm,\nThat flies in the night. |And so on.",
        "他来了。|你好吗？|“走吧！”他说。|我们走。",
        "「もう行く」と言った。|雨だ。",
        "वह आया। |वह गया॥ |ठीक है?",
        "هل جاء؟ |نعم، جاء. |حسنا!",
        "Τι θέλεις; |Τίποτα; |Ναι.",
        "— Ты идёшь? — спросил он. |— Да. |Приехал в 1890 г. в Москву к А. П. Чехову и т. д. |Потом уехал.",
        "Am 3. Oktober kam er z. B. mit Frau Dr. Weiß, d. h. spät. |Er blieb.",
        "« Viens ! » dit-il. |Elle vint.",
        "¿Vienes? |¡Sí! |La Sra. Gil vive en EE. UU. con su hija.",
        "ok. |i am here. |what now",
        "It began then.[1] |It ended.² |Good! 🎉 |Next.",
    ],
)
def test_rules(marked: str) -> None:
    assert split_sentences(marked.replace("|", "")) == marked.split("|")


def test_white_space_belongs_to_the_sentence_before_it() -> None:
    assert split_sentences(" \n He came.  \n\n\t She left. \n") == [" \n He came.  \n\n\t ", "She left. \n"]
    assert split_sentences(" \n ") == [" \n "]
    assert split_sentences("") == []


def test_lone_surrogates_are_text_like_any_other() -> None:
    text = "Is it \ud800... Or \udfff? I know it is. Mr. X."
    assert "".join(split_sentences(text)) == text
    assert len(split_sentences(text)) >= 3


def test_a_combining_mark_stays_with_its_stop() -> None:
    assert split_sentences("好。\u0301好。好") == ["好。\u0301好。", "好"]


def test_own_abbreviations_end_no_sentence() -> None:
    text = "He met Obst. Weber there. She left."
    assert split_sentences(text) == ["He met Obst. ", "Weber there. ", "She left."]
    assert split_sentences(text, frozenset({"obst"})) == ["He met Obst. Weber there. ", "She left."]


@pytest.mark.parametrize("beyond", [-1, 0, 1, 30])
def test_one_endless_line_is_split_the_same_across_chunks(beyond: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "The river was cold, and nobody had thought of bringing the other rope. "
    monkeypatch.setattr(sentences, "_CHUNK_CHARS", 10 * len(sentence) + beyond)
    assert split_sentences(sentence * 50) == [sentence] * 50


def test_text_without_any_border_takes_several_chunks() -> None:
    assert list(sentence_starts("word " * CHUNK)) == [0]


def test_a_fence_open_across_chunks_keeps_its_lines_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "_CHUNK_CHARS", 30)
    code = "".join(f"call_{number}(a. B)\n\n" for number in range(10))
    assert split_sentences("```\n" + code + "```\nDone. Now go.")[1:] == [
        *(f"call_{number}(a. B)\n\n" for number in range(10)),
        "```\n",
        "Done. ",
        "Now go.",
    ]


@given(texts, st.lists(st.integers(0, 200), max_size=8))
def test_spans_lie_inside_their_sections(text: str, edges: list[int]) -> None:
    bounds = sorted({min(edge, len(text)) for edge in edges})
    sections = []
    for start, end in zip(bounds[::2], bounds[1::2], strict=False):  # with gaps, as cut strings leave
        inner = text[start:end]
        if inner.strip():
            left = start + len(inner) - len(inner.lstrip())
            sections.append((left, left + len(inner.strip())))
    if not sections:
        return
    starts, ends, numbers, *_ = sentence_spans(text, np.array(sections, dtype=np.int64))
    for number, (left, right) in enumerate(sections):
        own = [(start, end) for start, end, n in zip(starts, ends, numbers, strict=True) if n == number]
        assert own[0][0] == left and own[-1][1] == right
        assert all(text[start:end] == text[start:end].strip() != "" for start, end in own)
        assert all(not text[end:start].strip() for (_, end), (start, _) in zip(own, own[1:], strict=False))
