"""What Verify says and offers about texts: control tokens, look-alikes of cuts, characters by accident."""

from __future__ import annotations

from typing import Any

from training_pro.data.report import SourceReport

_KINDS = {
    "stars": "lines of stars",
    "rules": "lines of dashes or the like",
    "form feeds": "form feeds (page breaks)",
    "headings": "chapter headings",
}
_FEW_SECTIONS = 2


def text_notes(source: SourceReport) -> list[str]:
    """One sentence for each thing found in a text."""
    found = source.found
    if found is None:
        return []
    notes = []
    if found.control_tokens:
        shown = ", ".join(f"{text} ({count:,})" for text, count in list(found.control_tokens.items())[:3])
        how = "become those tokens" if found.as_tokens else "are plain characters"
        notes.append(f"{source.name}: {found.control_token_count:,} special strings {how}: {shown}.")
    for one in found.look_alikes:
        what = f"{one.count:,} {_KINDS[one.kind]} are no hard cuts"
        notes.append(f"{source.name}: {what}, for example {one.example.strip() or 'a form feed'!r}.")
    for stray in found.strays:
        notes.append(f"{source.name}: {stray.count:,} {stray.kind}, for example {stray.example}, will be learned too.")
    return notes


def text_offers(source: SourceReport) -> list[tuple[str, dict[str, Any]]]:
    """What can be changed with one click: the reason, and the settings."""
    found = source.found
    if found is None:
        return []
    offers: list[tuple[str, dict[str, Any]]] = []
    if found.control_tokens:
        other, words = ("text", "plain characters") if found.as_tokens else ("tokens", "those tokens")
        reason = f"Read the {found.control_token_count:,} special strings of {source.name} as {words}"
        offers.append((reason, {"control_tokens": other}))
    sections = source.slicing.sections if source.slicing is not None else 0
    for one in found.look_alikes:
        if one.cut_string and (sections < _FEW_SECTIONS or one.count > sections):
            reason = f"Cut {source.name} at its {one.count:,} {_KINDS[one.kind]}: Hard Cut String {one.cut_string}"
            offers.append((reason, {"hard_cut": one.cut_string}))
    return offers
