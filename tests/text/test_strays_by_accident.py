"""Letters of a wrong encoding, soft hyphens and zero-width spaces: found, shown, cleaned; honest letters stay."""

from __future__ import annotations

from pathlib import Path

from training_pro.text.blocks.corpus import Corpus
from training_pro.text.stray_characters import clean, strays

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


WIKI = (
    "'''Rome''' is the capital of [[Italy]].\n\n== History ==\nIt was [[Romulus|founded]] early."
    '<ref name="a">Livy, 1.</ref>{{cite web|url=x}}\n[[Category:Cities]]The end.\n'
)
LATEX = "\\documentclass[a4paper]{article}\n\\begin{document}\n\\section{One}\nText \\emph{here}.\n\\end{document}\n"
MARK = "*** {} OF THE PROJECT GUTENBERG EBOOK A BOOK ***"
GUTENBERG = f"The eBook of a book\n\n{MARK.format('START')}\n\nCall me so.\n\n{MARK.format('END')}\n\nA license.\n"
CODE = "a = [[1, 2], [3, 4]]\nif [[ -f x ]]; then\n'''a doc'''\n{{ name }} {{name}} {{#if x}}\nx == y == z\n\\n\\item\n"


def kinds(text: str) -> dict[str, int]:
    return {stray.kind: stray.count for stray in strays(Corpus.of_texts([text]))}


def test_marks_of_a_wiki_become_the_words_that_they_show() -> None:
    assert kinds(WIKI) == {"wiki marks": 7}
    assert clean(WIKI) == ("Rome is the capital of Italy.\n\nHistory\nIt was founded early.\nThe end.\n", 7)


def test_a_link_or_two_may_be_meant() -> None:
    note = "See [[Rome]] and [[Oslo]]."
    assert kinds(note) == {} and clean(note) == (note, 0)


def test_what_stands_around_a_book_of_project_gutenberg_goes() -> None:
    assert kinds(GUTENBERG) == {"Project Gutenberg notices": 2}
    assert clean(GUTENBERG)[0].strip() == "Call me so."


def test_latex_is_shown_and_stays() -> None:
    assert kinds(LATEX) == {"LaTeX commands": 5}
    assert clean(LATEX) == (LATEX, 0)


def test_code_and_templates_are_none_of_these() -> None:
    assert kinds(CODE) == {} and clean(CODE) == (CODE, 0)
