"""What is said about texts: what they begin like, what conversion left out, what Verify found and offers to change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from training_pro.data.chat_logs import chat_log, log_note
from training_pro.data.documents.extracted import removed_words
from training_pro.data.documents.subtitles import subtitles_note
from training_pro.data.files import PLAIN, suffix_of
from training_pro.data.report import SourceReport
from training_pro.data.text_parts import TextPart
from training_pro.data.tokens import MARKER, RowTokenizer
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.front_matter import without_front_matter
from training_pro.text.reading import clean_text
from training_pro.text.splitting.unwrapping import LOOKED_AT_BYTES, wrapped_note
from training_pro.text.stray_characters import Stray
from training_pro.words import counted

LOOK_ALIKE_WORDS = {
    "stars": ("line of stars", "lines of stars"),
    "rules": ("line of dashes or the like", "lines of dashes or the like"),
    "ornaments": ("ornament", "ornaments"),
    "break marks": ("written page or scene break", "written page or scene breaks"),
    "numbers": ("lone number of a chapter", "lone numbers of chapters"),
    "form feeds": ("form feed (page break)", "form feeds (page breaks)"),
    "typed line ends": (r"typed-out \n\n\n", r"typed-out \n\n\n"),
    "wide blank lines": (
        "place with two blank lines that hold wide spaces",
        "places with two blank lines that hold wide spaces",
    ),
    "headings": ("chapter heading", "chapter headings"),
    "end marks": ("mark of a text's end", "marks of a text's end"),
}
_JSON_ROWS = re.compile(r'\s*(?:\[\s*)?\{\s*"[^"\n]{1,60}"\s*:\s*["\[{\d]')
_FENCED = re.compile(r"(?:^|\n)(?:```|~~~)[^\n]{0,40}\n(?P<inside>.*?)(?:\n(?:```|~~~)|\Z)", re.DOTALL)
_MARKER = re.compile(MARKER.pattern.encode())
_ONE = {
    "HTML entities": "HTML entity",
    "blocks of front matter": "block of front matter",
    "line ends with spaces": "line end with spaces",
}
_FEW_SECTIONS = 2
_NOTES_BY_FILE = 5


def part_notes(name: str, parts: Sequence[TextPart]) -> tuple[str, ...]:
    """What the beginning of the first text shows, and what conversion left out of the texts: file by file, or of many
    files in all. `name` is that of them all."""
    with parts[0].path.open("rb") as file:
        beginning = clean_text(file.read(LOOKED_AT_BYTES).decode("utf-8", "ignore"))
    log = chat_log(beginning)
    shown = log_note(name, log) if log is not None else wrapped_note(name, beginning)
    if suffix_of(parts[0].path) in PLAIN:
        shown = subtitles_note(name, beginning) or _rows_note(name, without_front_matter(beginning)) or shown
    left_out = [
        f"{part.name}: left out of the text: {words}." for part in parts if (words := removed_words(part.removed))
    ]
    if len(parts) > _NOTES_BY_FILE:
        removed: Counter[str] = Counter()
        for part in parts:
            removed.update(part.removed)
        words = removed_words(removed)
        left_out = [f"{len(parts)} texts, left out: {words}."] if words else []
    return tuple(filter(None, (shown, *left_out)))


def _rows_note(name: str, beginning: str) -> str:
    """What to say of a plain text that holds rows of JSON; "" for another."""
    rows = beginning if _JSON_ROWS.match(beginning) else _fenced_rows(beginning)
    if not rows:
        return ""
    ending = "json" if rows.lstrip().startswith("[") else "jsonl"
    return (
        f"{name} holds rows of JSON: their brackets and names would be learned too. Rename it to "
        f"{name.rpartition('.')[0] or name}.{ending} and choose it as the Dataset."
    )


def _fenced_rows(beginning: str) -> str:
    """The rows of JSON that stand between a Markdown page's fences; "" where they aren't most of it."""
    rows = [found["inside"] for found in _FENCED.finditer(beginning) if _JSON_ROWS.match(found["inside"])]
    return rows[0] if 2 * sum(map(len, rows)) > len(beginning) else ""


def foreign_markers_notes(name: str, corpus: Corpus, tokenizer: RowTokenizer) -> list[str]:
    """A sentence on markers of other models' chat templates, which are no tokens of this one."""
    found = Counter(marker[0].decode() for marker in _MARKER.finditer(corpus.buffer))
    foreign = tokenizer.foreign_markers(" ".join(found))
    if not {*foreign} - {"</s>"}:  # typed by hand, it is offered as a cut
        return []
    count = sum(found[marker] for marker in foreign)
    are = "is no token" if count == 1 else "are no tokens"
    return [
        f"{name}: {counted(count, 'marker')} of another model ({', '.join(foreign)[:120]}) {are} of this one: learned "
        "as plain characters. Use chats as rows, and the model's own chat template writes its markers."
    ]


def text_notes(source: SourceReport) -> list[str]:
    """One sentence for each thing found in a text."""
    found = source.found
    if found is None:
        return []
    notes = []
    if found.control_tokens:
        shown = ", ".join(f"{text} ({count:,})" for text, count in list(found.control_tokens.items())[:3])
        how = "read as those tokens" if found.as_tokens else "read as plain characters"
        notes.append(f"{source.name}: {counted(found.control_token_count, 'special string')} {how}: {shown}.")
    for one in found.look_alikes:
        what = counted(one.count, *LOOK_ALIKE_WORDS[one.kind])
        example = f"{one.example.strip()!r}" if one.example.strip() else "a form feed"
        notes.append(f"{source.name}: {what} without a hard cut, for example {example}.")
    for stray in found.strays:
        notes.append(f"{source.name}: {stray_words(stray)}, for example {stray.example}, will be learned too.")
    return notes


def stray_words(stray: Stray) -> str:
    """How many of what: "3 soft hyphens"."""
    return counted(stray.count, _ONE.get(stray.kind, stray.kind.removesuffix("s")), stray.kind)


def text_offers(source: SourceReport) -> list[tuple[str, dict[str, Any]]]:
    """What can be changed with one click: the reason, and the settings."""
    found = source.found
    if found is None:
        return []
    offers: list[tuple[str, dict[str, Any]]] = []
    if found.control_tokens:
        other, words = ("text", "plain characters") if found.as_tokens else ("tokens", "those tokens")
        reason = f"Read the {counted(found.control_token_count, 'special string')} of {source.name} as {words}"
        offers.append((reason, {"control_tokens": other}))
    sections = source.slicing.sections if source.slicing is not None else 0
    for one in found.look_alikes:
        if one.cut_string and (sections < _FEW_SECTIONS or one.count > sections):
            what = counted(one.count, *LOOK_ALIKE_WORDS[one.kind])
            reason = f"Cut {source.name} at its {what}: Hard Cut String {one.cut_string}"
            offers.append((reason, {"hard_cut": one.cut_string}))
    return offers
