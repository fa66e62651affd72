"""Measured perplexities as HTML: how far a measuring is, and the kept table. No gradio."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from training_pro.perplexity import MeasuringStatus
from training_pro.record.perplexity_table import Measurement
from training_pro.ui.views.markup import box, number, progress_bar, table, text

_HEADS = ("Date", "Model", "LoRA", "Text", "Context", "Stride", "Tokens", "Perplexity", "Base model", "Comment")


def measuring_status(status: MeasuringStatus | None) -> str:
    """What the page says of the measuring that goes, or of the last one; "" for none."""
    if status is None:
        return ""
    parts = []
    if status.running:
        done, total, what = status.progress
        parts.append(f'<p class="tp-headline"><b>{text(status.text)}</b> · {text(what or "beginning")}</p>')
        parts.append(progress_bar(done, total))
    parts += [box("good", [_sentence(line) for line in status.done])] if status.done else []
    parts += [box("error", status.faults), box("info", status.notes)]
    return f'<div class="tp-measuring" data-running="{str(status.running).lower()}">{"".join(parts)}</div>'


def perplexity_table(lines: Sequence[Measurement]) -> str:
    """The kept table, the latest first."""
    if not lines:
        return '<p class="tp-none">No perplexity has been measured yet.</p>'
    bases = {_window(line): line.perplexity for line in reversed(lines) if not line.lora}
    comments = json.dumps({line.id: line.comment for line in lines})
    cells = [_cells(line, bases) for line in lines]
    return f'<div class="tp-measured" data-comments="{text(comments)}">{table(_HEADS, cells)}</div>'


def line_label(line: Measurement) -> str:
    """One line of the table in a few words, for a list to choose from."""
    return f"{_date(line)} · {_who(line)} on {line.text}: {number(line.perplexity)}"


def _sentence(line: Measurement) -> str:
    return f"{_who(line)}: {number(line.perplexity)} on {line.text} ({line.tokens:,} tokens)"


def _who(line: Measurement) -> str:
    return f"{line.model} with {line.lora}" if line.lora else line.model


def _window(line: Measurement) -> tuple[object, ...]:
    """What two figures must share to be compared."""
    return line.model, line.quantization, line.text, line.context, line.stride, line.bos


def _beside(line: Measurement, bases: Mapping[tuple[object, ...], float]) -> str:
    """The base model's own figure, and how much lower this one is: "20.100 (-39 %)"."""
    base = bases.get(_window(line))
    if not line.lora or base is None:
        return "–"
    return f"{number(base)} ({100 * (line.perplexity / base - 1):+.0f} %)" if base > 0 else number(base)


def _cells(line: Measurement, bases: Mapping[tuple[object, ...], float]) -> tuple[str, ...]:
    quantized = f" ({line.quantization})" if line.quantization not in ("", "none") else ""
    return (
        _date(line),
        line.model + quantized,
        line.lora or "–",
        line.text,
        f"{line.context:,}",
        f"{line.stride:,}",
        f"{line.tokens:,}{'' if line.bos else ', no BOS'}",
        number(line.perplexity),
        _beside(line, bases),
        line.comment,
    )


def _date(line: Measurement) -> str:
    return line.date[:16].replace("T", " ")
