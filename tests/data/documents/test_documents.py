"""Each kind of document as text: what is there stays, what is left out is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.documents.makers import epub, page, pdf
from training_pro.data import files
from training_pro.data.documents.html import html_text
from training_pro.data.documents.subtitles import subtitle_text
from training_pro.data.text_parts import extracted
from training_pro.errors import DataError

PROSE = "The keeper climbed the stair at dusk and lit the lamp before the wind rose over the bay"


def test_a_book_is_its_chapters_in_reading_order_with_a_hard_cut_between(tmp_path: Path) -> None:
    book = epub(tmp_path / "b.epub", ["<h1>One</h1><p>First &amp; last.</p>", "<h1>Two</h1><p>Second.</p>"])
    assert extracted(book, "b.epub").text == "One\n\nFirst & last.\n\n\nTwo\n\nSecond.\n"


def test_marks_page_numbers_and_images_are_left_out_and_counted(tmp_path: Path) -> None:
    chapter = (
        '<p>He climbed.<a epub:type="noteref" href="#n1">1</a> He lit it.<sup>2</sup></p>'
        '<span epub:type="pagebreak">12</span><p>10<sup>6</sup> ships.<img src="x" alt="y"/></p>'
    )
    found = extracted(epub(tmp_path / "b.epub", [chapter]), "b.epub")
    assert found.text == "He climbed. He lit it.\n\n10\u2076 ships.\n"
    assert dict(found.removed) == {"footnote marks": 2, "page numbers": 1, "images": 1}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"META-INF/rights.xml": "<rights/>"}, "copy protected"),
        ({"META-INF/encryption.xml": '<e xmlns="x"><EncryptionMethod Algorithm="aes"/></e>'}, "copy protected"),
    ],
)
def test_a_protected_book_is_refused(more: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        extracted(epub(tmp_path / "b.epub", ["<p>x</p>"], more), "b.epub")


def test_protected_fonts_alone_do_no_harm(tmp_path: Path) -> None:
    fonts = {"META-INF/encryption.xml": '<e><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></e>'}
    assert extracted(epub(tmp_path / "b.epub", ["<p>x</p>"], fonts), "b.epub").text == "x\n"


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("ch%201.xhtml", "OEBPS/ch 1.xhtml"),
        ("ch1.xhtml#section-2", "OEBPS/ch1.xhtml"),
        ("../text/ch1.xhtml", "text/ch1.xhtml"),
        ("n\u0069%CC%82.xhtml", "OEBPS/n\u00ee.xhtml"),
    ],
)
def test_chapters_are_found_however_they_are_referred_to(href: str, name: str, tmp_path: Path) -> None:
    listing = (
        '<package><manifest><item id="c" media-type="application/xhtml+xml" href="HREF"/>'
        '<item id="d" media-type="application/xhtml+xml" href="HREF"/></manifest>'
        '<spine><itemref idref="c"/><itemref idref="d"/></spine></package>'
    )
    book = epub(tmp_path / "b.epub", [], {name: page("<p>The fox ran.</p>")}, listing.replace("HREF", href))
    assert extracted(book, "b.epub").text == "The fox ran.\n"


def test_a_chapter_that_is_missing_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    listing = (
        '<package><manifest><item id="c" media-type="application/xhtml+xml" href="c.xhtml"/>'
        '<item id="d" media-type="application/xhtml+xml" href="none.xhtml"/></manifest>'
        '<spine><itemref idref="c"/><itemref idref="d"/></spine></package>'
    )
    book = epub(tmp_path / "b.epub", [], {"OEBPS/c.xhtml": page("<p>The fox ran.</p>")}, listing)
    found = extracted(book, "b.epub")
    assert found.text == "The fox ran.\n" and dict(found.removed) == {"missing or damaged chapters": 1}


def test_links_marked_words_and_insertions_of_a_word_document_are_there(tmp_path: Path) -> None:
    import docx
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    document: Any = docx.Document()
    paragraph = document.add_paragraph("The ")
    for wrapped in ("hyperlink", "smartTag", "ins", "del", "moveFrom"):
        text = "delText" if wrapped == "del" else "t"
        paragraph._p.append(
            parse_xml(f"<w:{wrapped} {nsdecls('w')}><w:r><w:{text}>{wrapped} </w:{text}></w:r></w:{wrapped}>")
        )
    document.save(tmp_path / "d.docx")
    found = extracted(tmp_path / "d.docx", "d.docx")
    assert found.text == "The hyperlink smartTag ins \n" and found.removed["deleted passages"] == 1


def test_captions_that_scroll_are_taken_once() -> None:
    first, second, third = "This is the first line", "then comes another one", "and so on it goes"
    cues = [first, f"{first}\n{second}", f"{second}\n{third}"]
    text = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n{cue}\n\n" for n, cue in enumerate(cues, 1))
    assert subtitle_text(text, "s.srt").text == f"{first} {second} {third}\n"


@pytest.mark.parametrize("name", ["a.epub", "a.docx", "a.pdf"])
@pytest.mark.parametrize("content", [b"", b"no such thing", b"PK\x03\x04" + bytes(50), b"%PDF-1.4\n%%EOF"])
def test_a_broken_document_is_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as refused:
        extracted(tmp_path / name, name)
    assert name in str(refused.value) and "\n" not in str(refused.value)


def test_a_web_page_without_its_menus_and_scripts() -> None:
    found = html_text(
        page(
            "<nav>Home About</nav><script>var x = 1;</script><p>One\n line <b>of</b> text.<br>Next line.</p>"
            "<ul><li>a</li><li>b</li></ul><pre>x  y\n  z</pre><table><tr><td>1</td><td>2</td></tr></table>"
            "<footer>(c)</footer>"
        )
    )
    assert found.text == "One line of text.\nNext line.\n\n- a\n- b\n\nx  y\n  z\n\n1 2"
    assert dict(found.removed) == {"menus and footers": 2}


def test_a_page_says_what_encoding_it_is_in() -> None:
    data = '<html><head><meta charset="windows-1252"></head><body><p>caf\u00e9</p></body></html>'.encode("cp1252")
    assert html_text(data).text == "caf\u00e9"


def test_thousands_of_nested_elements_are_read() -> None:
    assert html_text("<div>" * 5000 + "deep" + "</div>" * 5000).text == "deep"


def test_a_word_document(tmp_path: Path) -> None:
    import docx

    document: Any = docx.Document()
    document.add_heading("One", 1)
    document.add_paragraph("The keeper climbed.")
    document.add_paragraph("apples", style="List Bullet")
    document.add_paragraph("pears", style="List Bullet")
    document.add_heading("Two", 1)
    paragraph = document.add_paragraph("He ")
    paragraph.add_run("lit").bold = True
    paragraph.add_run(" the lamp.")
    document.sections[0].header.paragraphs[0].text = "My Book"
    document.save(tmp_path / "d.docx")
    found = extracted(tmp_path / "d.docx", "d.docx")
    assert found.text == "One\n\nThe keeper climbed.\n\n- apples\n- pears\n\n\nTwo\n\nHe lit the lamp.\n"
    assert dict(found.removed) == {"page headers and footers": 1}


def test_running_heads_and_numbers_of_a_pdf_go_and_its_lines_are_joined(tmp_path: Path) -> None:
    words = PROSE.split()
    lines = [" ".join(words[(day * step) % len(words)] for step in range(1, 14)) + f" day{day}" for day in range(120)]
    pages = [["The Lock", *lines[at : at + 20], f"- {at // 20 + 1} -"] for at in range(0, 120, 20)]
    found = extracted(pdf(tmp_path / "p.pdf", pages), "p.pdf")
    assert "The Lock" not in found.text and "- 3 -" not in found.text
    assert found.text.split() == " ".join(lines).split()
    assert found.removed["page headers and footers"] == 6 and found.removed["page numbers"] == 6
    assert found.removed["line ends inside paragraphs"] > 20


def test_a_pdf_of_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pictures"):
        extracted(pdf(tmp_path / "p.pdf", [[], []]), "p.pdf")


def test_subtitles_are_what_is_said() -> None:
    text = (
        "1\n00:00:02,000 --> 00:00:03,000\n<i>Is the lock</i>\nopen yet?\n\n"
        "2\n00:00:03,500 --> 00:00:05,000\nIt was, when\n\n3\n00:00:05,000 --> 00:00:06,000\nI came.\n\n"
        "4\n00:00:30,000 --> 00:00:31,000\nLater.\n"
    )
    found = subtitle_text(text, "s.srt")
    assert found.text == "Is the lock open yet?\nIt was, when I came.\n\nLater.\n"
    assert dict(found.removed) == {"times of subtitles": 4}


def test_captions_that_show_word_by_word_and_repeat_themselves_are_taken_once() -> None:
    text = (
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n<v Ann>so the<00:00:02.500><c> quick</c> fox\n\n"
        "00:00:03.000 --> 00:00:03.010\nso the quick fox\n\n00:00:03.010 --> 00:00:05.000\nran &amp; ran\n"
    )
    found = subtitle_text(text.replace("<v Ann>", ""), "s.vtt")
    assert found.text == "so the quick fox ran & ran\n"
    assert found.removed["repeated lines"] == 1
    assert subtitle_text(text, "s.vtt").text.startswith("Ann: so the quick fox")


def test_what_has_no_subtitles_in_it_is_refused() -> None:
    with pytest.raises(DataError, match=r"s\.srt"):
        subtitle_text("nothing of the kind", "s.srt")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "installed", lambda _module: False)
    with pytest.raises(DataError, match=r"pypdf.*requirements-files\.txt"):
        extracted(pdf(tmp_path / "p.pdf", [["x"]]), "p.pdf")


def test_the_lines_of_a_caption_after_a_long_pause_stay_together() -> None:
    captions = "1\n00:00:01,000 --> 00:00:02,000\nHow deep?\n\n2\n00:00:20,000 --> 00:00:21,000\nGo now\nto the pond.\n"
    assert subtitle_text(captions, "a.srt").text == "How deep?\n\nGo now to the pond.\n"


def test_a_book_without_an_order_of_its_own_is_read_as_it_is_listed(tmp_path: Path) -> None:
    listing = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
        '<item id="a" href="part2.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="part1.xhtml" media-type="application/xhtml+xml"/></manifest></package>'
    )
    found = extracted(epub(tmp_path / "b.epub", ["<p>One.</p>", "<p>Two.</p>"], listing=listing), "b.epub")
    assert found.text == "One.\n\n\nTwo.\n"


def test_cells_whose_end_is_not_written_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<table><tr><td>a<td>b<tr><th>c</th><td>d</td></table>")
    assert extracted(tmp_path / "a.html", "a.html").text == "a b\nc d"


def test_names_comments_and_styles_of_captions_are_not_read(tmp_path: Path) -> None:
    blocks = (
        "WEBVTT",
        "STYLE\n::cue {}",
        "one - intro\n00:00.000 --> 00:02.000\nIs it open?",
        "NOTE\nOf two\nlines",
        "00:02.000 --> 00:04.000\nSince noon.",
    )
    (tmp_path / "a.vtt").write_text("\n\n".join(blocks))
    assert extracted(tmp_path / "a.vtt", "a.vtt").text == "Is it open?\nSince noon.\n"


def test_a_row_of_a_word_table_is_a_line(tmp_path: Path) -> None:
    import docx

    document: Any = docx.Document()
    document.add_paragraph("Before.")
    table = document.add_table(rows=2, cols=2)
    for place, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = f"c{place}"
    table.cell(1, 1).add_paragraph("more")
    document.add_paragraph("After.")
    document.save(tmp_path / "t.docx")
    assert extracted(tmp_path / "t.docx", "t.docx").text == "Before.\n\nc0\tc1\nc2\tc3 more\n\nAfter.\n"
