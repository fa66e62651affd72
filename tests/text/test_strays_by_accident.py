"""Letters of a wrong encoding, soft hyphens and zero-width spaces: found, shown, cleaned; honest letters stay."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.stray_characters import RowStrays, clean, cleaned, strays
from training_pro.text.wiki_templates import words_shown

HONEST = "São Paulo, ça va? L’été à l'âme; « oui », Ärger, €5 — “Well”"


def test_utf8_that_was_read_as_windows_1252_is_found_and_mended(tmp_path: Path) -> None:
    wrong = HONEST.encode().decode("cp1252", "replace")
    file = tmp_path / "text.txt"
    file.write_text(f"{wrong}\nsoft\u00adhyphen zero\u200bwidth", encoding="utf-8")
    found = {stray.kind: stray.count for stray in strays(Corpus.of_files([file]))}
    assert found["soft hyphens"] == 1 and found["zero-width spaces"] == 1
    assert found["wrongly decoded letters"] >= 8
    mended, count = clean("naÃ¯ve donâ€™t â€œso\u00ad\u200bâ€\x9d")
    assert mended == "naïve don’t “so”" and count == 6


def test_honest_letters_stay(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text(HONEST, encoding="utf-8")
    assert strays(Corpus.of_files([file])) == []
    assert clean(HONEST) == (HONEST, 0)


def kinds(text: str) -> dict[str, int]:
    return {stray.kind: stray.count for stray in strays(Corpus.of_texts([text]))}


@pytest.mark.parametrize(
    ("word", "other"),
    [("\u0e41\u0e21\u0e48", "\u0e19\u0e49\u0e33"), ("\u0ea7\u0eb1\u0e99", "\u0e94\u0eb5")]
    + [("\u1796\u17b6\u1780\u17d2\u1799", "\u179b\u17d2\u17a2"), ("\u1005\u102c\u1038", "\u101e\u1031\u102c")],
    ids=["Thai", "Lao", "Khmer", "Burmese"],
)
def test_a_zero_width_space_between_words_of_scripts_without_spaces_stays(word: str, other: str) -> None:
    text = f"{word}\u200b{other}\u200b{word}\n"
    assert kinds(text) == {} and clean(text) == (text, 0)
    rows = RowStrays()
    rows.look([text])
    assert rows.notes() == []
    mixed = f"\u200b{word}\u200b\u200b{other}\u200b\na\u200bb {word}\u2060{other}"
    assert clean(mixed) == (f"{word}\u200b{other}\nab {word}{other}", 5) and kinds(mixed) == {"zero-width spaces": 5}
    many = f"{word}{30 * chr(0x200B)}{other}"
    assert clean(many) == (f"{word}\u200b{other}", 29) and kinds(many) == {"zero-width spaces": 29}


@pytest.mark.parametrize(
    "text", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937"]
)
def test_joiners_of_persian_and_indic_letters_stay(text: str) -> None:
    assert kinds(text) == {} and clean(text) == (text, 0)


RIGHT = [
    "„Das macht Spaß“, sagte er. »Spaß« und Fuß’, Groß–klein, 3 Fuß³",
    "« La liberté\u00a0», dit-il. Il a marché…» Voilà l’été\u00a0! liberté»²",
    "«LIBERTÉ» “CAFÉ” CAFÉ™ «AMANHû LIBERTÉ—ÉGALITÉ É…",
    "«Ya está»… Así…» PERÚ”",
    "10ד zoom”, 5×–7×",
]


@pytest.mark.parametrize("text", RIGHT)
def test_words_that_end_in_an_accented_letter_and_their_marks_are_right(text: str) -> None:
    assert kinds(text) == {} and clean(text) == (text, 0)
    rows = RowStrays()
    rows.look([text])
    assert rows.notes() == []


def test_one_wrong_letter_does_not_make_a_right_text_wrong() -> None:
    text = " ".join(RIGHT)
    assert kinds(f"{text} donâ€™t") == {"wrongly decoded letters": 1}
    assert clean(f"{text} donâ€™t") == (f"{text} don’t", 1)


@pytest.mark.parametrize(
    "text",
    [
        "Schöne Grüße aus Köln, „Ärger“ – Öl.",
        "L’été, à la plage, « voilà » dû à l’âge.",
        "Привет, мир! И в доме был снег; он ел.",
        "Nguyễn dễ thương, lễ hội",
        "20 °C, 5\u00a0£, a → b",
    ],
)
def test_what_is_wrong_throughout_is_mended_throughout(text: str) -> None:
    wrong = "".join(
        chr(byte) if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([byte]).decode("cp1252")
        for byte in text.encode()
    )
    assert clean(wrong)[0] == text
    assert kinds(wrong)["wrongly decoded letters"] == clean(wrong, frozenset({"wrongly decoded letters"}))[1]


@pytest.mark.parametrize(
    "text",
    [
        "p = &current; q = &region; *r = &params; return &notify;\n",
        "if a <b and c> d:\n",
        "tr -d [[:alpha:]] [[:digit:]] [[:space:]] [[:upper:]]\n",
        "{{item|safe}} {{ user|upper }} {{name|default('you')}} {{x.y|join}} {{names|first}}\n",
    ],
)
def test_code_that_looks_like_marks_stays(text: str) -> None:
    assert kinds(text) == {} and clean(text) == (text, 0)


def test_only_what_changes_is_counted() -> None:
    assert clean("R&D; &foo; &amp; <p class='a'>one</p>") == ("R&D; &foo; & one\n", 3)


WIKI = (
    "'''Rome''' is the capital of [[Italy]].\n\n== History ==\nIt was [[Romulus|founded]] early."
    '<ref name="a">Livy, 1.</ref>{{cite web|url=x}}\n[[Category:Cities]]The end.\n'
)
LATEX = "\\documentclass[a4paper]{article}\n\\begin{document}\n\\section{One}\nText \\emph{here}.\n\\end{document}\n"
MARK = "*** {} OF THE PROJECT GUTENBERG EBOOK A BOOK ***"
GUTENBERG = f"The eBook of a book\n\n{MARK.format('START')}\n\nCall me so.\n\n{MARK.format('END')}\n\nA license.\n"
CODE = "a = [[1, 2], [3, 4]]\nif [[ -f x ]]; then\n'''a doc'''\n{{ name }} {{name}} {{#if x}}\nx == y == z\n\\n\\item\n"


def test_marks_of_a_wiki_become_the_words_that_they_show() -> None:
    assert kinds(WIKI) == {"wiki marks": 7}
    assert clean(WIKI) == ("Rome is the capital of Italy.\n\nHistory\nIt was founded early.\nThe end.\n", 7)


def test_a_link_or_two_may_be_meant() -> None:
    note = "See [[Rome]] and [[Oslo]]."
    assert kinds(note) == {} and clean(note) == (note, 0)


def test_what_stands_around_a_book_of_project_gutenberg_goes() -> None:
    assert kinds(GUTENBERG) == {"Project Gutenberg notices": 2}
    assert clean(GUTENBERG)[0].strip() == "Call me so."


BOOK = f"The Project Gutenberg eBook of A Book\n\nTitle: A Book\n\n{MARK.format('START')}\n{{}}\n{MARK.format('END')}\n"
LICENSE = "A license.\nsubscribe to our email\nnewsletter to hear about new eBooks.\n"
OWN = "My own story.\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (BOOK.format("One.") + LICENSE + BOOK.format("Two.") + LICENSE, "One.\nTwo.\n"),
        (BOOK.format("One.") + "A license.\n" + BOOK.format("Two.") + "A license.\n", "One.\nTwo.\n"),
        (GUTENBERG + GUTENBERG, "\nCall me so.\n\n\nCall me so.\n\n"),
        (BOOK.format("One.").partition("*** END")[0] + BOOK.format("Two."), "One.\nTwo.\n"),
        (OWN + BOOK.format("One.") + LICENSE + OWN, f"{OWN}One.\n{OWN}"),
        (BOOK.format("One.") + LICENSE + OWN + BOOK.format("Two."), f"One.\n{OWN}Two.\n"),
        (BOOK.format("One.").partition("***\n")[2] + LICENSE + BOOK.format("Two."), "One.\nTwo.\n"),
        (BOOK.format("One.") + "\n" + OWN * 3000, "One.\n\n\n" + OWN * 3000),
        (BOOK.format("One.") + OWN, f"One.\n\n{OWN}"),
        (BOOK.format("One.") + OWN + BOOK.format("Two."), f"One.\n\n{OWN}Two.\n"),
        (OWN + BOOK.format("One.").partition("A Book\n\n")[2].partition("A Book\n\n")[2], f"{OWN}One.\n"),
    ],
    ids=[
        *("two books", "short licenses", "other heads", "first without END", "own text around", "own text between"),
        *("first without START", "long text without a license", "own text after", "own text between, no license"),
        "own text before, no head",
    ],
)
def test_every_book_of_a_file_stays(text: str, left: str) -> None:
    assert clean(text)[0] == left


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[[Star Wars: Episode IV|the film]]", "the film"),
        ("[[Mission: Impossible]]", "Mission: Impossible"),
        ("[[Category:Cities]]", ""),
        ("[[:Category:Cities]]", "Category:Cities"),
        ("[[Datei:Rom.jpg|mini|Die Stadt: ein Bild]]", ""),
        ("[[file:rome.png|thumb]]", ""),
        ("[[Catégorie:Ville]][[Категория:Город]]end[[ファイル:a.jpg]]", "end"),
        ("[[日本]][[東京|都]]は", "日本都は"),
        ("[[Mercury (planet)]], [[C++]], ([[Paris, Texas]])", "Mercury (planet), C++, (Paris, Texas)"),
        ("[[Datei:a.jpg|hochkant=1.2]]", ""),
    ],
)
def test_links_of_a_wiki_keep_their_words_but_for_files_and_categories(link: str, shown: str) -> None:
    assert clean(f"[[A]], [[B]], [[C]]: {link}")[0] == f"A, B, C: {shown}"


@pytest.mark.parametrize(
    "code",
    [
        *("x[[i]][[j]]", "f(x)[[name]]", "[[nodiscard]] int f", "[[gnu::cold]]", "\n[[package]]\n", "= [[x, y]]"),
        *("array([[name]])", "[[buffer(0)]]", "= [[a*b]]", "= [[True, False]]", "[[no_unique_address]] A a"),
    ],
)
def test_brackets_of_code_beside_a_wikis_links_stay(code: str) -> None:
    assert kinds(4 * f"{code} ") == {}
    assert clean(f"[[A]], [[B]], [[C]]: {code}")[0] == f"A, B, C: {code}"


def test_latex_is_shown_and_stays() -> None:
    assert kinds(LATEX) == {"LaTeX commands": 5}
    assert clean(LATEX) == (LATEX, 0)


def test_code_and_templates_are_none_of_these() -> None:
    assert kinds(CODE) == {} and clean(CODE) == (CODE, 0)


def test_colors_of_a_terminal_go_whole() -> None:
    text = "\x1b[1;31mred\x1b[0m and\x1b[K \x07bell\n"
    assert kinds(text) == {"control characters": 4}
    assert clean(text) == ("red and bell\n", 4)


def test_bullets_of_a_symbol_font_are_counted_and_become_bullets() -> None:
    text = "\uf0b7 Ropes\n\uf0b7 Oil\ue123\n"
    (stray,) = strays(Corpus.of_texts([text]))
    assert (stray.kind, stray.count) == ("private-use characters", 3)
    assert clean(text) == ("\u2022 Ropes\n\u2022 Oil\n", 3)


def test_bullets_of_a_symbol_font_are_counted_in_rows() -> None:
    found = RowStrays()
    found.look(["\uf0b7 Ropes", "Oil"])
    assert "private-use characters in 1 row (U+F0B7)" in found.notes()[0]


INFOBOX = "{{Infobox settlement\n| name = Rome\n| area = {{convert|1|km|{{abbr|x}}}}\n}}\n"


def test_templates_of_a_wiki_over_several_lines_go_with_those_in_them() -> None:
    text = f"{INFOBOX}'''Rome''' is old.{{{{cite web|url=x\n|title=y}}}}\n\n{INFOBOX}\nThe end.\n"
    assert kinds(text) == {"wiki marks": 4}
    assert clean(text) == ("Rome is old.\n\nThe end.\n", 4)  # no third line end, which would be a hard cut


@pytest.mark.parametrize("value", [r"\frac{1}{2}", "{{{name|}}}", "{{a|{{{b}}}|{{c|d}}}}", "[[Rome|it]]"])
def test_braces_in_a_template_go_with_it(value: str) -> None:
    text = f"{{{{Infobox\n| name = {value}\n}}}}\n'''Rome''' is [[old]].\n"
    assert clean(text) == ("Rome is old.\n", 3)


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{Quote|The pond is deep.|Wren|A Walk}}", "The pond is deep.\n— Wren, A Walk"),
        ("{{Zitat|Text=Tief.|Autor=[[Wren]]}}", "Tief.\n— Wren"),
        ("{{rquote|left|Deep.|Wren}}", "Deep.\n— Wren"),
        ("{{quote|1=It was '''deep''' then.<ref>A Walk</ref>}}", "It was deep then."),
        ("{{Blockquote|\nOne line,\nanother line.\n}}", "One line,\nanother line."),
        ("A {{lang|fr|mot}} or {{lang-fr|mot}}", "A mot or mot"),
        ("{{transl|ja|HEP|kotoba}}", "kotoba"),
        ("{{nowrap|5 km}} of {{small|[[sand|wet sand]]}}", "5 km of wet sand"),
        ("{{nowrap|x = 5}}", "x = 5"),
        ("{{sc|{{lang|de|Wren}}}}", "Wren"),
        ("{{di|T}}he pond", "The pond"),
        ("{{convert|5|km|mi}}, {{convert|2|to|5|km}}", "5 km, 2 to 5 km"),
        ("{{circa|1900}}", "circa 1900"),
        ("{{Vers|The pond is deep and it is cold.|x}}", "The pond is deep and it is cold."),
        ("{{short description|A pond that is deep and also cold}}", ""),
        ("{{center|left}}{{small|Left}}{{u|centre}}", "leftLeftcentre"),
        ("{{lang-[[x|y}}", ""),
        ("{{Citation | author=Smith, John | title=The Book | year=2001}}{{Quote|author=Ann}}", ""),
        ("{{Ficha de río|imagen (mapa) = el río visto desde la orilla norte del pueblo}}", ""),
        ("{{Véase también|el río visto desde la orilla norte}}", ""),
        ("{{DEFAULTSORT:Pond|the pond that is deep and cold}}", ""),
        ("{{quote|2=Ann|Deep.}}", "Deep.\n\u2014 Ann"),
        ("{{lang|2=mot|1=fr}}", "mot"),
        ("{{quote|²=Ann|Deep.}}", "Deep."),
        ("{{cquote|Deep.|20px|20px|Ann|Book}}", "Deep.\n\u2014 Ann, Book"),
        ("{{efn|It is said that it was deeper once.}}", ""),
        ("{{sfn|Wren|1900|p=5}}{{coord|41|53|N}}{{Reflist|30em}}", ""),
    ],
)
def test_words_of_the_text_that_stand_in_a_template_stay(template: str, shown: str) -> None:
    text = f"[[A]], [[B]], [[C]]: {template} So.\n"
    cleaned_text, count = clean(text)
    assert cleaned_text == f"A, B, C: {shown} So.\n" and count == kinds(text)["wiki marks"] > 3


@pytest.mark.parametrize("template", ["{{Фильм|Описание/сюжет = длинный текст из шести слов и более}}", "{{small}}"])
def test_of_some_templates_no_words_are_shown(template: str) -> None:
    assert words_shown(template) == ""


def test_a_quote_that_is_a_paragraph_stays_one() -> None:
    text = "[[A]] and [[B]].\n\n{{Quote|Deep.}}\n\n{{Infobox|a=b}}\n\nSo.\n"
    assert clean(text)[0] == "A and B.\n\nDeep.\n\nSo.\n"


def test_a_template_that_never_ends_stays() -> None:
    text = "{{Infobox\n| name = Rome\n" * 3 + "Rome is old.\n"
    assert kinds(text) == {} and clean(text) == (text, 0)


YAML = '---\ntitle: "A note"\ndate created: 2024-01-01\ntags:\n  - a\n- b\n# so\n\nlist: [\n]\n---\n'
TOML = '+++\ntitle = "A note"\n[extra]\na = 1\n+++\n'
ABOVE = "blocks of front matter"


JSON = '{\n  "title": "A note",\n  "tags": [\n"a"\n],\n  "menu": {\n    "weight": 1\n  }\n}\n\n'


@pytest.mark.parametrize("head", [YAML, TOML, JSON, YAML[:-4] + "...\n", f"\n{YAML}\n", "---\nTitle:\tA\n---\n"])
def test_front_matter_is_said_and_cleaned(head: str) -> None:
    text = f"{head}The river is deep.\n"
    assert kinds(text) == {ABOVE: 1} and clean(text) == ("The river is deep.\n", 1)


def test_front_matter_of_each_file_is_counted_and_shown() -> None:
    (stray,) = strays(Corpus.of_texts(["No.\n---\n", f"{YAML}Yes.", f"Yes.\n{YAML}", f"{YAML}title: No."]))
    assert (stray.kind, stray.count) == (ABOVE, 2) and stray.example.startswith('--- title: "A note"')


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nThe river is deep. He said: no.\n\n---\n\nIt was cold.\n",
        "---\nANNA: Hello.\nBEN: Hi.\n---\nThey left.\n",
        "---\nanna: Hello.\nben: Hi.\nanna: So.\n---\nThey left.\n",
        "---\ntitle: A\nThe river is deep.\n\nIt was cold.\n---\n",
        "---\ntitle: A\n",
        "+++\nThe river is deep.\n+++\n",
        "The river.\n" + YAML,
        JSON.rstrip(),
        JSON + JSON,
        JSON.replace("\n\n", "\n") + "The river is deep.\n",
        "{\nThe river is deep.\n}\n\nIt was cold.\n",
    ],
)
def test_lines_of_dashes_around_a_text_are_no_front_matter(text: str) -> None:
    assert kinds(text) == {} and clean(text) == (text, 0)


@pytest.mark.parametrize(
    "text",
    [
        "{{Infobox|\n" + "x={{b}}\n" * 23 + "Rome is old.\n",
        "{{Infobox|\n" + "x={{{b}}}\n" * 23 + "Rome is old.\n",
        "---\ntitle: A\n" + "- a: b\n" * 23 + "\nThe river is deep.\n",
        "+++\ntitle = 1\n" + "# a = b\n" * 24 + "\nThe river is deep.\n",
        "{\n" + ' "a": "b",\n' * 250 + "}\nThe river is deep.\n",
    ],
    ids=["templates", "parameters", "YAML", "TOML", "JSON"],
)
def test_what_never_ends_is_not_tried_in_all_ways(text: str) -> None:
    before = time.thread_time()
    assert clean(text) == (text, 0) and time.thread_time() - before < 1


POEM = (
    "The\u00a0lamp   \nAn\u00a0empty coat \nA\u00a0grey cat \u00a0\n  indented\u00a0line\n\u00a0\n \nend\tof\u00a0all"
)


def test_the_two_spaces_with_which_markdown_breaks_a_line_stay() -> None:
    verse = "The lamp  \nAn empty coat  \nA grey cat  \n    of wool  \n\n"
    assert kinds(verse * 3) == {"line ends with spaces": 3}  # where a paragraph ends they mean nothing
    assert clean(verse * 3) == ("The lamp  \nAn empty coat  \nA grey cat  \n    of wool\n\n" * 3, 3)
    wide = verse.replace("lamp", "lamp ").replace("coat", "coat   ")
    assert kinds(wide * 3) == {"line ends with spaces": 9} and clean(wide * 3) == (clean(verse * 3)[0], 9)


def test_spaces_that_a_page_left_are_counted_by_kind_and_cleaned() -> None:
    assert kinds(POEM) == {"line ends with spaces": 3, "no-break spaces": 5}
    text, counts = cleaned(POEM)
    assert text == "The lamp  \nAn empty coat\nA grey cat\n  indented line\n\u00a0\n \nend\tof all"
    assert counts == kinds(POEM) and cleaned(text) == (text, {})
    (shown, _) = (stray.example for stray in strays(Corpus.of_texts([POEM])))
    assert set(shown) == {"\u2423"}


@pytest.mark.parametrize(
    "text",
    [
        "Quoi\u00a0? Non\u00a0! Oui\u00a0: si\u00a0; \u00ab\u00a0oui\u00a0\u00bb, 5\u00a0kg, 10\u00a0000\u00a0km",
        "v\u00a0lese, z\u00a0domu, a\u00a0pak, s\u00a0tebou, k\u00a0moru",
        "Louis\u00a0XIV, Mr\u00a0Smith, Dr\u00a0Who, Mrs\u00a0Dalloway, Dr.\u00a0No, \u00a7\u00a05",
        "\u043d\u0430\u00a0\u0441\u0442\u043e\u043b\u0435 " * 5,
        "  one\n    two\n\n \n\ta\tb\t\n\tc\td\t\n\te\tf\t\n",
    ],
)
def test_spaces_that_are_meant_stay(text: str) -> None:
    assert kinds(text) == {} and cleaned(text) == (text, {})
