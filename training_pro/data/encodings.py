"""Which encoding a file is in that is not UTF-8, and its text in UTF-8. charset-normalizer guesses, a person decides.

A guess looks at the first 256 kB; where single-byte encodings differ in a few letters only it can be wrong, which the
sample line shows; then other encodings are offered with a line that they read otherwise.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from training_pro.errors import DataError
from training_pro.text.reading import is_shifted, wide_order

LOOKED_AT_BYTES = 1 << 18
_SAMPLE_CHARS = 70
_MOST_OTHERS = 4
_LINE_END = re.compile("[\r\n]")
_BEYOND = re.compile(r"[^\x00-\x7f\s]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x80-\x84\x86-\x9f]")
_KOREAN = b"\x1b$)C"
_SHIFTED = ("iso2022_jp_2", "iso2022_jp_3")  # all of it valid UTF-8: letters between escapes
MIXED = "utf-8 and cp1252"  # no codec of Python's: files that were pasted together
_VALID_PER_BROKEN = 4  # so many characters in UTF-8 for each broken byte: it is UTF-8, with a few bytes of another
_PLAUSIBLE = [
    *("utf_8", "utf_16", "utf_16_le", "utf_16_be", "utf_32"),
    *("cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp866", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("cp874", "gb18030", "big5", "cp932", "euc_jp", "cp949", "mac_roman", "cp850", "cp852"),
]
_NAMES = {
    "cp1252": "Windows-1252 (Western European)",
    "iso8859_15": "ISO-8859-15 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "iso8859_2": "ISO-8859-2 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8_r": "KOI8-R (Cyrillic)",
    "koi8_u": "KOI8-U (Cyrillic)",
    "iso8859_5": "ISO-8859-5 (Cyrillic)",
    "mac_cyrillic": "Mac (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "iso8859_7": "ISO-8859-7 (Greek)",
    "cp737": "DOS, code page 737 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp874": "Windows-874 (Thai)",
    "cp932": "Shift JIS (Japanese)",
    "cp949": "EUC-KR (Korean)",
    "euc_jp": "EUC-JP (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "cp850": "DOS, code page 850 (Western European)",
    "mac_roman": "Mac Roman (Western European)",
    "cp852": "DOS, code page 852 (Central European)",
    "cp1257": "Windows-1257 (Baltic)",
    "iso8859_13": "ISO-8859-13 (Baltic)",
    "cp866": "DOS, code page 866 (Cyrillic)",
    "iso2022_jp_2": "ISO-2022-JP (Japanese)",
    "iso2022_jp_3": "ISO-2022-JP (Japanese)",
    "iso2022_kr": "ISO-2022-KR (Korean)",
    "utf_16": "UTF-16",
    "utf_16_le": "UTF-16",
    "utf_16_be": "UTF-16",
    "utf_32": "UTF-32",
    MIXED: "UTF-8 with some bytes of Windows-1252 in it",
}
_EUROPEAN = ("European)", "(Baltic)")  # names of Latin letters' encodings end so
# Letters and signs of Western European texts beyond ASCII; a text with no others is of Windows-1252, not of a cousin.
_WESTERN = re.compile(
    "[\x00-\x7f\u00a0-\u00bf\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u20ac"
    "\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2020\u2021\u2022\u2026\u2030\u2039\u203a\u2122]*"
)
_UNUSUAL = re.compile(
    "[\u00a2-\u00a6\u00a8\u00a9\u00ac-\u00af\u00b1-\u00b3\u00b5\u00b6\u00b8-\u00ba\u00bc-\u00be\u00d0\u00de\u00f0\u00fe]"
)
# Quotation marks and capitals inside words: letters of DOS or of the Mac, read as another encoding's.
_LETTER, _SMALL = "[a-zA-Z\u00c0-\u00ff]", "[a-z\u00df-\u00ff]"
_INSIDE_WORDS = re.compile(
    f"{_LETTER}[\u201e\u201a\u0192\u02c6\u2020\u2021\u2030]|{_LETTER}[\u201c\u201d]{_SMALL}|\u2122{_LETTER}|{_SMALL}[\u00a7\u00c0-\u00d6\u00d8-\u00de\u0152\u0160\u0178\u017d](?:{_SMALL}|\\b)"
)
_MOST_INSIDE_WORDS = 0.05  # of the characters beyond ASCII
_KANA = re.compile("[\u3041-\u30ff]")
_TURKISH = re.compile(
    "[\x00-\x7f\u00e7\u011f\u0131\u00f6\u015f\u00fc\u00c7\u011e\u0130\u00d6\u015e\u00dc\u00e2\u00ee\u00fb\u2013-\u2026]*"
)
# Each language's letters beyond ASCII, and those of them that its texts have and no Western one has in their places.
_BALTIC = {"ąčęėįšųūž": "ėš", "āčēģīķļņšūž": "āēī", "äöüõšž": "õš"}
# In Windows-1252 the Latvian ā, ē and ī are letters of French, whose ç stands before a, o or u.
_NOT_FRENCH = re.compile("[šžģķņ]|ē[^aouāū'\u2019]")
_CENTRAL = {
    "ąćęłńóśźż": "łę",
    "áčďéěíňóřšťúůýž": "ěř",
    "áäčďéíĺľňóôŕšťúýž": "ľč",
    "áéíóöőúüű": "ő",
    "ăâîşţ": "şţ",
    "čćđšž": "čš",
}
# Where the two Greek encodings differ: an accented capital before a letter, or a quotation mark beside one, in one of
# them is a sign in the other that no text has there.
_GREEK_ISO = re.compile(rb"\xb6(?=[\xc1-\xfe])|\xa1(?=[\xb8-\xfe])|[\xc1-\xfe]\xa2(?![\xc1-\xfe])")
_GREEK_WINDOWS = re.compile(rb"(?<![\xc1-\xfe])\xa2(?=[\xc1-\xfe])|[\x80-\x9f]")
# An amount with the euro sign, or an oe inside a word: in Windows-1252 other signs stand in their places.
_LATIN_9 = re.compile("\\d[ \u00a0]?\u20ac|\u20ac\\d|[a-zA-Z']\u0153[a-z]")
# Of alphabets whose letters are all beyond ASCII: the commonest letters, and their encodings.
_ALPHABETS = {
    "оеаинтсрвлкіяь": ("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5", "mac_cyrillic"),
    "αοιεητσνυρςκπάόί": ("cp1253", "iso8859_7", "cp737"),
    "יוהלאתרשמבםנ": ("cp1255",),
}
_CAPITAL_INSIDE = re.compile("[\u0430-\u045f\u0491\u03ac-\u03ce][\u0400-\u042f\u0490\u0386-\u03ab]")
_LEAST_COMMON = 0.5  # of the characters beyond ASCII
_MARKS = frozenset("\u00a0«»§°©®„“”‘’‚‹›–—…•€™№")
_MOST_ACCENTS = 0.25  # of the letters; in other alphabets all letters are beyond ASCII
_MOST_ACCENTS_APART = 0.4  # where there are no three of them together, as in "mães à mão"
_TOGETHER = re.compile("[\u00c0-\u00ff]{3}")


@dataclass(frozen=True)
class Guess:
    """A Python codec's name, how people call it, and a line of the text as it reads then. `others` are what it may be
    instead."""

    codec: str
    name: str
    sample: str
    others: tuple[Guess, ...] = ()


class OtherEncoding(DataError):
    """The file `name` is not UTF-8 but what `guess` says."""

    def __init__(self, text: str, name: str, guess: Guess) -> None:
        super().__init__(text, option=f"convert {name}", code="not-utf8")
        self.name, self.guess = name, guess


def guessed(data: bytes) -> Guess | None:
    """The likeliest encoding of these bytes of a text; None: no text in any encoding."""
    codec = _codec(data)
    if codec is None:
        return None
    text = _mixed(data) if codec == MIXED else codecs.getincrementaldecoder(codec)("replace").decode(data)
    return reading(codec, text, tuple(islice(_others(data, codec, text), _MOST_OTHERS)))


def reading(codec: str, text: str, others: tuple[Guess, ...] = ()) -> Guess:
    """What to say of `text` that was read in this encoding."""
    found = _BEYOND.search(text)
    place = found.start() if found is not None else len(text) - len(text.lstrip())
    return Guess(codec, _NAMES.get(codec, codec), _line_at(text, place), others)


def _others(data: bytes, codec: str, text: str) -> Iterator[Guess]:
    """Encodings in which these bytes are another text: those of which that is as certain as of `codec`, and where it is
    not certain of it, all for languages of such letters."""
    certain, languages = _fits(codec, text), _NAMES.get(codec, codec).rpartition(" ")[2]
    if not languages.endswith(")"):
        return
    alike = ")" if certain else _EUROPEAN if languages in _EUROPEAN else languages
    seen = {text}
    for other in (one for one, name in _NAMES.items() if name.endswith(alike)):
        own = _whole(data, other)
        if own is None or own in seen or _CONTROLS.search(own) or (certain and not _fits(other, own)):
            continue
        seen.add(own)
        pairs = enumerate(zip(own, text, strict=False))
        place = next((at for at, (one, two) in pairs if one != two and not one.isspace()), 0)
        yield Guess(other, _NAMES[other], _line_at(own, place))


def _fits(codec: str, text: str) -> bool:
    """Whether a text that was read in this encoding is one of its languages for certain."""
    fits = _CERTAIN.get(codec)
    scores = (_score(text, common) for common, known in _ALPHABETS.items() if codec in known)
    return (fits is not None and fits(text)) or any(score >= _LEAST_COMMON for score in scores)


def _line_at(text: str, place: int) -> str:
    """The line around this place, or a part of it."""
    start = max(text.rfind(end, 0, place) for end in "\r\n") + 1
    stop = found.start() if (found := _LINE_END.search(text, place)) else len(text)
    if stop - start > _SAMPLE_CHARS:
        start = max(start, place - _SAMPLE_CHARS // 2)
    return text[start : min(stop, start + _SAMPLE_CHARS)].strip().removeprefix("\ufeff")


def guess_of(path: Path, offset: int = 0) -> Guess | None:
    """`guessed` of the file's beginning, or of what is around its first broken byte where that is further on.

    Raises:
        DataError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, offset - LOOKED_AT_BYTES // 2) if offset > LOOKED_AT_BYTES // 2 else 0)
            return guessed(file.read(LOOKED_AT_BYTES))
    except OSError as error:
        raise DataError(f"{path.name} can't be read ({error.strerror}); check the file.") from None


def is_utf8(data: bytes) -> bool:
    """Whether these are bytes of a text in UTF-8; text of another encoding with a NUL in each character is none."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not wide_order(data) and not is_shifted(data)


def not_utf8(name: str, offset: int, guess: Guess | None, row: int | None = None) -> DataError:
    """The sentence on a file (in a row of it) that is not UTF-8 from byte `offset` on, with the way out."""
    what = f"{name} is" if row is None else f"{name}, row {row}: the file is"
    if guess is None:
        return DataError(
            f"{what} not UTF-8 (byte {offset:,}) and holds no text in any known encoding; choose another file."
        )
    return OtherEncoding(
        f'{what} not UTF-8 (byte {offset:,}); it looks like {guess.name}: "{guess.sample}". Convert it to UTF-8 under '
        "Tools.",
        name,
        guess,
    )


def decoded(data: bytes, encoding: str, name: str) -> str:
    """The text of `data` in `encoding`, without a byte order mark.

    Raises:
        DataError: no such encoding, or the bytes are none of it.
    """
    if encoding in (MIXED, "utf_8"):
        return _mixed(data).removeprefix("\ufeff")
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise DataError(
            f"There is no encoding {encoding[:40]!r}; usual ones: cp1252, utf-16, gb18030, cp932."
        ) from None
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        raise DataError(f"{name} is not {encoding}: byte {at:,} does not fit. Choose another encoding.") from None


def _codec(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    marks = ((codecs.BOM_UTF32_LE, "utf_32"), (codecs.BOM_UTF16_LE, "utf_16"), (codecs.BOM_UTF16_BE, "utf_16"))
    for mark, codec in marks:
        if data.startswith(mark):
            return codec
    if wide_order(data):
        return f"utf_16_{wide_order(data)}"
    if is_shifted(data):
        return (
            "iso2022_kr" if _KOREAN in data else next((one for one in _SHIFTED if _whole(data, one) is not None), None)
        )
    if _whole(data, "utf_8") is not None:
        return "utf_8"
    if b"\x00" in data:
        return None
    mostly = data.decode("utf-8", "replace")
    broken = mostly.count("\ufffd")
    if sum(not character.isascii() for character in mostly) - broken >= _VALID_PER_BROKEN * broken:
        return MIXED
    certain = next((codec for codec, fits in _CERTAIN.items() if fits(_whole(data, codec) or "")), None)
    found = certain or _of_alphabet(data)
    if found is None:
        best = from_bytes(data, cp_isolation=_PLAUSIBLE).best()
        found = None if best is None else best.encoding
    if found == "cp1253" and len(_GREEK_ISO.findall(data)) > len(_GREEK_WINDOWS.findall(data)):
        return "iso8859_7"
    return found


def _of_alphabet(data: bytes) -> str | None:
    """The encoding in which these bytes are a text in Cyrillic, Greek or Hebrew; None: in no such letters."""
    scored = [
        (_score(text, common), codec)
        for common, codecs_ in _ALPHABETS.items()
        for codec in codecs_
        if (text := _whole(data, codec)) is not None
    ]
    best, codec = max(scored, key=lambda one: one[0], default=(0.0, ""))
    return codec if best >= _LEAST_COMMON else None


def _score(text: str, common: str) -> float:
    """The share of the commonest letters among the characters beyond ASCII, less those that no text has in such places:
    signs, and capitals after small letters."""
    counts = Counter(text)
    beyond = {character: count for character, count in counts.items() if not character.isascii()}
    usual = sum(count for character, count in beyond.items() if character.lower() in common)
    odd = sum(count for character, count in beyond.items() if not character.isalpha() and character not in _MARKS)
    odd += len(_CAPITAL_INSIDE.findall(text))
    letters, own = (sum(some[one] for one in some if one.isalpha()) for some in (counts, beyond))
    return (usual - 2 * odd) / sum(beyond.values()) if own > letters / 2 else 0.0


def _mixed(data: bytes) -> str:
    """UTF-8, each broken byte read as Windows-1252."""
    return data.decode("utf-8", _BROKEN_BYTES)


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


_BROKEN_BYTES = "training_pro_cp1252"
codecs.register_error(_BROKEN_BYTES, _as_windows_1252)


def _is_western(text: str) -> bool:
    """Letters of other alphabets read as Western ones give accents everywhere and signs that no Western text has."""
    beyond = sum(not character.isascii() for character in text)
    letters = sum(character.isalpha() for character in text)
    accents = sum(character.isalpha() and not character.isascii() for character in text)
    most = _MOST_ACCENTS if _TOGETHER.search(text) else _MOST_ACCENTS_APART
    few = accents <= letters * most and len(_UNUSUAL.findall(text)) <= beyond * 0.05
    few &= len(_INSIDE_WORDS.findall(text)) <= beyond * _MOST_INSIDE_WORDS
    return bool(text) and few and _WESTERN.fullmatch(text) is not None


def _is_latin_9(text: str) -> bool:
    return _LATIN_9.search(text) is not None and _is_western(text)


def _is_turkish(text: str) -> bool:
    return bool({"\u0131", "\u015f", "\u011f"} & set(text)) and _TURKISH.fullmatch(text) is not None


def _is_one_of(languages: Mapping[str, str], text: str) -> bool:
    """One of these languages, with no letter of another one in it."""
    found = {character for character in text.lower() if not character.isascii()} - _MARKS
    return any(found <= {*letters} and found >= {*own} for letters, own in languages.items())


def _is_baltic(text: str) -> bool:
    return _is_one_of(_BALTIC, text) and _NOT_FRENCH.search(text.lower()) is not None


def _is_japanese(text: str) -> bool:
    return len(_KANA.findall(text)) > len(text) / 10


_CERTAIN: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(("cp1250", "iso8859_2", "cp852"), partial(_is_one_of, _CENTRAL)),
    **dict.fromkeys(("cp1257", "iso8859_13"), _is_baltic),
    "cp1254": _is_turkish,
    "iso8859_15": _is_latin_9,
    "cp1252": _is_western,
    "cp850": _is_western,
    "mac_roman": _is_western,
    "euc_jp": _is_japanese,
}


def _whole(data: bytes, codec: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)().decode(data)  # the last character may be cut off
    except UnicodeError:
        return None
