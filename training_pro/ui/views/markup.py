"""Small pieces of HTML. Every text that comes from outside goes through `text` here. No gradio, costs nothing."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Literal

from training_pro.errors import Fault
from training_pro.ui.labels import as_on_page

Tone = Literal["info", "good", "warning", "error"]


def text(value: object) -> str:
    """`value` as text that can stand in HTML and in its attributes."""
    return html.escape(str(value), quote=True)


def box(tone: Tone, sentences: str | Iterable[str | Fault]) -> str:
    """A coloured box with one paragraph a line; "" where there is nothing to say."""
    given = [sentences] if isinstance(sentences, str) else sentences
    lines = [line for sentence in given for line in on_page(sentence).split("\n")]
    paragraphs = "".join(f"<p>{text(line)}</p>" for line in lines if line.strip())
    role = "alert" if tone == "error" else "status"
    return f'<div class="tp-box tp-{tone}" role="{role}">{paragraphs}</div>' if paragraphs else ""


def on_page(sentence: str | Fault) -> str:
    """A sentence in the words of the page."""
    return sentence if isinstance(sentence, str) else as_on_page(sentence.text, sentence.setting)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names over values, side by side as far as the page is wide."""
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="tp-facts">{cells}</dl>'


def progress_bar(done: int, total: int) -> str:
    """How much of `total` is done, as a bar with its percentage."""
    percent = 100 * min(done / total, 1.0) if total else 0.0
    now = f'aria-label="Done" aria-valuenow="{percent:.0f}" aria-valuemin="0" aria-valuemax="100"'
    return (
        f'<div class="tp-bar" role="progressbar" {now}><div style="width:{percent:.1f}%"></div>'
        f"<span>{percent:.0f} %</span></div>"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are text."""
    head = "".join(f"<th>{text(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="tp-scroll"><table class="tp-table"><tr>{head}</tr>{body}</table></div>'


def number(value: float | None, digits: int = 3) -> str:
    """A measure as people read it: "1,234", "0.457", "3e-04"; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.{max(digits - 2, 0)}e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"


def megabytes(value: float) -> str:
    """Memory as "850 MB" or "5.3 GB"; a dash where it was not measured."""
    if math.isnan(value):
        return "–"
    return f"{value / 1024:.1f} GB" if value >= 1000 else f"{value:.0f} MB"


def icon(name: str, more: str = "") -> str:
    """One of the style sheet's icons, for the eye alone."""
    return f'<span class="tp-ic tp-i-{name} {more}" aria-hidden="true"></span>'


def hand_button(words: str, hand: str, act: str, *classes: str) -> str:
    """A small button that does `act` through the page's `Hand` of this name."""
    looks = " ".join(("tp-btn", "tp-s", *classes))
    return f'<button type="button" class="{looks}" data-hand="{hand}" data-act="{text(act)}">{text(words)}</button>'
