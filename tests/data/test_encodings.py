"""Files that are not UTF-8: which encoding they are in, and their text."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from training_pro.data.encodings import decoded, guessed, is_utf8, not_utf8, reading
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.rows.rows import read_rows
from training_pro.errors import DataError
from training_pro.text.reading import NotUtf8, read_text

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


SPANISH = "El niño comió una piña. ¿Dónde está la canción? ¡Qué día!\n" * 3
SWEDISH = "Det var en gång en åldrig käring på ön.\n" * 3
KOREAN = "옛날 옛적에 할머니가 살았습니다.\n" * 3


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (JAPANESE, "iso2022_jp"),
        (KOREAN, "iso2022_kr"),
        (GERMAN + "Ärger über Öl.\n", "cp850"),
        (GERMAN, "cp437"),
        (FRENCH.replace("’", "'").replace("—", "-").replace("…", "..."), "cp850"),
        (SPANISH, "cp850"),
        (SWEDISH, "cp850"),
        (POLISH, "cp852"),
        (RUSSIAN, "cp866"),
        (GERMAN, "mac_roman"),
        (FRENCH, "mac_roman"),
        (SPANISH, "mac_roman"),
    ],
)
def test_texts_of_dos_the_mac_and_mail_come_back(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    guess = guessed(data)
    assert guess is not None and not is_utf8(data)
    assert decoded(data, guess.codec, "a.txt") == text
    assert guess.name != guess.codec, "people know it by a name"


def test_letters_between_escapes_are_no_utf8_though_every_byte_is_ascii(tmp_path: Path) -> None:
    file = tmp_path / "mail.txt"
    file.write_bytes(b"Subject: old\n" * 3 + JAPANESE.encode("iso2022_jp"))
    with pytest.raises(NotUtf8) as caught:
        read_text(file)
    assert caught.value.offset == 39
    rows = tmp_path / "rows.csv"
    rows.write_bytes(b"prompt,answer\n" + JAPANESE.replace("\n", ",a\n").encode("iso2022_jp"))
    with pytest.raises(DataError, match="ISO-2022-JP"):
        list(read_rows(rows, BadRows("rows.csv", "skip")))


def test_colours_of_a_terminal_are_no_shift(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(b"\x1b[31mred\x1b[0m costs \x1b[1m$5\n")
    assert "red" in read_text(file) and is_utf8(file.read_bytes())


QUOTED = "“It is late,” she said — “too late.”\n" * 3


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_known_where_it_begins_with_a_quotation_mark(tmp_path: Path, encoding: str) -> None:
    data = QUOTED.encode(encoding)
    guess = guessed(data)
    assert guess is not None and decoded(data, guess.codec, "a.txt") == QUOTED and not is_utf8(data)
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(NotUtf8):
        read_text(tmp_path / "a.txt")


CENTRAL = {
    "Polish": "Ty jesteś jak zdrowie. Ile cię trzeba cenić, ten się tylko dowie, kto cię stracił.",
    "Czech": "Dávno, dávno již tomu, co jsem se dívala do té milé tváře, a přece ji vidím tak zřetelně.",
    "Hungarian": "Nem illik tán, hogy együtt fürödnek: egy fiú meg egy leány; de ők ezt nem tudják.",
    "Croatian": "Čovjek je sišao s brda i tražio ženu, ali već je bilo kasno; sve je šutjelo.",
    "Slovak": "Bol raz jeden kráľ, čo mal tri dcéry, a veľmi ich ľúbil; spýtal sa ich, či ho majú rady.",
}


@pytest.mark.parametrize("encoding", ["cp1250", "iso8859_2", "cp852"])
@pytest.mark.parametrize("language", CENTRAL)
def test_central_european_prose_is_not_read_as_western(language: str, encoding: str) -> None:
    data = CENTRAL[language].encode(encoding)
    guess = guessed(data)
    assert guess is not None and decoded(data, guess.codec, "a.txt") == CENTRAL[language]


@pytest.mark.parametrize(
    "text",
    [
        "È così tardi? Sì, è già più tardi di ieri, però non può finire; chissà perché.\n" * 4,
        "Une fête dû à l’été: le goût brûlé, coûte que coûte, où qu’il fût — voilà.\n" * 4,
        "Det står en høne på øen og ser på åen, siger han til æblet.\n" * 4,
        "O n.º 5 e a 1.ª são de leões, põem-se à mão.\n" * 4,
        "The room has 20 m³ and costs £5.\n" * 4,
    ],
)
def test_western_prose_is_not_read_as_central_european(text: str) -> None:
    data = text.encode("cp1252")
    guess = guessed(data)
    assert guess is not None and guess.codec not in ("iso8859_2", "cp852")
    assert guess.codec != "cp1250" or decoded(data, guess.codec, "a.txt") == text


UKRAINIAN = (
    "Вранці рибалка вийшов до річки. Їжак пробіг стежкою, а ґава сиділа на ґанку. Є такі дні, коли все мовчить.\n"
)
BULGARIAN = "Сутринта рибарят излезе при реката и дълго гледа водата. Лодката стоеше до брега.\n"
CAPITALS = "ГЛАВА ПЕРВАЯ. Сергей Иванович приехал в Москву зимой. В Москве было холодно.\n"
PLAIN_GREEK = "Το πρωί ο ψαράς βγήκε στο ποτάμι και κοίταζε ώρα το νερό. Ύστερα έφυγε.\n"
LITHUANIAN = "Rytą žvejys išėjo prie upės ir ilgai žiūrėjo į vandenį. „Kas čia?“ paklausė jis. Ąžuolas ošė.\n"
LATVIAN = "No rīta zvejnieks izgāja pie upes un ilgi skatījās ūdenī. “Kas tur?” Neviens neatbildēja. Ķirsis ziedēja.\n"
HEBREW = "בבוקר יצא הדייג אל הנהר והביט זמן רב במים. הסירה עמדה ליד הגדה.\n"


@pytest.mark.parametrize(
    ("text", "encodings"),
    [
        (RUSSIAN, "cp1251 koi8_r koi8_u cp866 iso8859_5 mac_cyrillic"),
        (CAPITALS, "cp1251 koi8_r koi8_u cp866 iso8859_5 mac_cyrillic"),
        (UKRAINIAN, "cp1251 koi8_u iso8859_5 mac_cyrillic"),
        (BULGARIAN, "cp1251 koi8_r cp866 iso8859_5 mac_cyrillic"),
        (PLAIN_GREEK, "cp1253 iso8859_7 cp737"),
        (LITHUANIAN, "cp1257 iso8859_13"),
        (LATVIAN, "cp1257 iso8859_13"),
        ("Öö oli külm, ja šokolaad sai otsa; õues kõndis kass.\n", "cp1257 iso8859_13"),
        ("Ma sœur a payé 120 €, et le pêcheur près de la rivière ne sait où elle était.\n", "cp1252 iso8859_15"),
        (HEBREW, "cp1255"),
    ],
    ids=["Russian", "capitals", "Ukrainian", "Bulgarian", "Greek", "Lithuanian", "Latvian"]
    + ["Estonian", "euro", "Hebrew"],
)
@pytest.mark.parametrize("times", [1, 20])
def test_the_encodings_of_an_alphabet_are_told_apart(text: str, encodings: str, times: int) -> None:
    for encoding in encodings.split():
        own = "".join(letter if letter.encode(encoding, "ignore") else "?" for letter in text) * times
        data = own.encode(encoding)
        guess = guessed(data)
        assert guess is not None and decoded(data, guess.codec, "a.txt") == own, encoding
        assert guess.name != guess.codec, "people know it by a name"


def test_other_encodings_are_named_only_where_they_may_be_right() -> None:
    certain = [guessed(text.encode("cp1252")) for text in (GERMAN * 9, FRENCH)]
    assert all(guess is not None and guess.others == () for guess in certain)
    serbian = "\u0458\u0435 чекала жена с \u0452аком; љубав и \u045fеп"
    guess = guessed(serbian.encode("cp1251"))
    assert guess is not None and serbian in {guess.sample, *(other.sample for other in guess.others)}
    assert guess.others and all(other.sample != guess.sample for other in guess.others)


@pytest.mark.parametrize("line", ["½ kg für 3¼ EUR, it´s 20 °\n", "½kg und 1½ Tassen, Größe ¤\n"])
def test_signs_of_windows_1252_are_no_euro_and_no_letters(line: str) -> None:
    guess = guessed((GERMAN * 20 + line).encode("cp1252"))
    assert guess is not None and guess.codec == "cp1252"


ACCENTS = [
    *("Le garçon lâche la boîte.", "Le maître français a mâché sa pâte.", "Reçu ! Où naît l’âme fâchée du maçon ?"),
    *("São João não põe a mão no coração.", "Põe os pães à mão, irmão.", "A canção é de âmbar e maçã."),
    *("Sì, è lunedì; c’è un caffè.", "Año tras año, la cigüeña voló al sur.", "De zeeën zijn geërfd; hè, hé, vóór."),
    *("Rødgrød på en ø.", "På ön går åtta får i år.", "Yöllä äiti söi hyvää leipää.", "Äpfel, Öl, Übermut und Größe."),
]


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("line", ACCENTS)
def test_short_lines_full_of_accents_are_western(line: str, times: int) -> None:
    text = f"{line}\n" * times
    guess = guessed(text.encode("cp1252"))
    assert guess is not None and decoded(text.encode("cp1252"), guess.codec, "a.txt") == text


@pytest.mark.parametrize(
    "text",
    [
        "Лодка стояла здесь, told captain Smith and his crew at sea. ",
        "כך אמר הדייג לסירה to captain Smith and his crew, ",
    ],
)
def test_a_part_in_another_alphabet_is_not_read_as_western(text: str) -> None:
    guess = guessed((text * 3).encode("cp1251" if text[0] == "Л" else "cp1255"))
    assert guess is not None and guess.sample.startswith(text[:10])


def test_latvian_is_known_by_its_own_places_of_letters() -> None:
    text = "ās uz akmens un gaidīja, kamēr uzlēks sa"
    guess = guessed(text.encode("cp1257"))
    assert guess is not None and guess.sample == text


def test_where_it_looks_baltic_and_is_not_certain_western_is_offered() -> None:
    text = "Hún sá öxi í ánni í gær."
    guess = guessed(text.encode("cp1252"))
    assert guess is not None and "Baltic" in guess.name
    assert "cp1252" in {other.codec for other in guess.others}


@pytest.mark.parametrize("text", ["<p>\n\u00a0\nGrüße aus Köln, sagte Jürgen.\n", "\n \u00a0\n\n  Grüße\n"])
def test_the_sample_is_a_line_with_something_to_see(text: str) -> None:
    guess = guessed(text.encode("cp1252"))
    assert guess is not None and guess.sample.startswith("Grüße")


def test_a_sample_of_a_long_text_is_found_fast() -> None:
    before = time.thread_time()
    assert reading("cp1252", "The river is deep. \n" * 1_000_000 + "é").sample == "é"
    assert time.thread_time() - before < 0.4


GREEK = "\u0386λλο ένα παιδί είπε: η θάλασσα είναι ήρεμη σήμερα και ο ουρανός καθαρός.\n"


@pytest.mark.parametrize("encoding", ["iso8859_7", "cp1253"])
@pytest.mark.parametrize(
    "text",
    [GREEK * 4, GREEK[4:] * 30 + "Η \u0386ννα.\n", GREEK[4:] * 4 + "\u2018Έλα\u2019, σ\u2019 ακούω, μ\u2019 ακούς;\n"],
    ids=["many", "one", "quotation marks"],
)
def test_the_two_greek_encodings_are_told_apart(text: str, encoding: str) -> None:
    guess = guessed(text.encode(encoding))
    assert guess is not None and decoded(text.encode(encoding), guess.codec, "a.txt") == text
