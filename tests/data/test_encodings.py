"""Files that are not UTF-8: which encoding they are in, and their text."""

from __future__ import annotations

import pytest

from training_pro.data.encodings import decoded, guessed, is_utf8, not_utf8
from training_pro.errors import DataError

FRENCH = "Il était une fois un garçon. « Où vas-tu ? » dit-il. L’âge d’or — fini…\n" * 3
GERMAN = "Was für ein schöner Tag, sagte Jürgen auf der Straße.\n"
POLISH = "Zażółć gęślą jaźń. Był sobie król, co miał trzy córki piękne jak łąka.\n" * 3
RUSSIAN = "Жили-были старик со старухой у самого синего моря.\n" * 3
TURKISH = "Bir varmış bir yokmuş, evvel zaman içinde kalbur saman içinde.\n" * 3
CHINESE = "老人点亮了灯。他上了楼。\n" * 5
JAPANESE = "昔々あるところに、おじいさんとおばあさんが住んでいました。\n" * 3


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        (FRENCH, "utf-16"),
        (FRENCH, "utf-16-le"),
        (FRENCH, "utf-16-be"),
        (GERMAN, "latin-1"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859_2"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (TURKISH, "cp1254"),
        (CHINESE, "gb18030"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
    ],
)
def test_the_text_comes_back(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    guess = guessed(data)
    assert guess is not None and not is_utf8(data)
    assert decoded(data, guess.codec, "a.txt") == text
    assert guess.sample in text


def test_a_few_foreign_bytes_in_a_utf8_file_are_read_too() -> None:
    data = FRENCH.encode() + "naïve\n".encode("cp1252") + FRENCH.encode()
    guess = guessed(data)
    assert guess is not None and decoded(data, guess.codec, "a.txt") == f"{FRENCH}naïve\n{FRENCH}"


@pytest.mark.parametrize("data", [bytes(range(256)) * 30, b"\x00\x01\x02\xff" * 100])
def test_what_is_no_text_is_none(data: bytes) -> None:
    assert guessed(data) is None
    assert "no text" in str(not_utf8("a.txt", 3, None))


def test_the_way_out_is_to_convert() -> None:
    error = not_utf8("a.txt", 12, guessed(FRENCH.encode("cp1252")))
    assert "1252" in str(error) and "12" in str(error) and "garçon" in str(error)
    assert error.options == ("convert a.txt",)


@pytest.mark.parametrize("encoding", ["no-such", "ascii"])
def test_a_wrong_encoding_is_one_sentence(encoding: str) -> None:
    with pytest.raises(DataError, match=encoding):
        decoded(FRENCH.encode("cp1252"), encoding, "a.txt")
