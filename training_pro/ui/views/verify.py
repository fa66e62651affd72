"""What verifying found, as HTML. No gradio."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from training_pro.folders import Folders
from training_pro.record.names import run_folder
from training_pro.session import Checked
from training_pro.training.checks import name_faults
from training_pro.ui.views.markup import box, facts, number, text
from training_pro.words import gigabytes

if TYPE_CHECKING:
    from training_pro.training.memory.forecast import Forecast


SUGGESTIONS = '<p class="tp-none">Suggestions; a click takes one over and verifies again:</p>'
_NO_FORECAST = (
    '<p class="tp-none">What it needs of memory is told while no LoRA is on the model and nothing else uses it.</p>'
)
NO_SUGGESTIONS = '<p class="tp-none">No suggestions: the settings fit the data.</p>'


def verify_view(checked: Checked, named: Sequence[str] = ()) -> str:
    """Facts first, then refusals, then what there is to know; `named` is what there is to say of the name.

    Another text each time, so that the page's script, which marks it as out of date when a setting is changed, sees
    that it is new.
    """
    return f'<div class="tp-checked" data-checked="{time.time():.3f}">{_found(checked, named)}</div>'


def name_notes(name: str, folders: Folders) -> list[str]:
    """What Start would say of the LoRA's name."""
    if not name.strip():
        return ["No name is typed yet; Start needs one."]
    faults = name_faults(name, folders)
    if faults or not run_folder(folders, name).exists():
        return [fault.text for fault in faults]
    return [f'A LoRA named "{name.strip()}" already exists; Start will ask what to do with it.']


def _found(checked: Checked, named: Sequence[str]) -> str:
    return "".join(
        (
            facts(_pairs(checked)),
            box("info", [checked.pace.sentence()] if checked.pace is not None else []),
            memory_line(checked.memory) or _NO_FORECAST,
            box("error", checked.verification.refusals),
            box("warning", named),
            box("info", checked.verification.notes),
        )
    )


def memory_line(memory: Forecast | None) -> str:
    """One line on whether the run fits; its parts are read by resting on it."""
    if memory is None:
        return ""
    parts = ", ".join(f"{name} {gigabytes(size)}" for name, size in memory.parts)
    said = box("good" if memory.fits else "warning", memory.sentence())
    return f'<div title="{text(parts)}">{said}</div>'


def _pairs(checked: Checked) -> list[tuple[str, str]]:
    found, plan = checked.verification.facts, checked.plan
    kinds = [(found.packed, "packed"), (found.overlap, "overlap"), (found.windows, "windows")]
    made_of = ", ".join(f"{count:,} {kind}" for count, kind in kinds if count)
    sources = ", ".join(dict.fromkeys(source.kind for source in checked.prepared.report.sources))
    pairs = [
        ("Kind", sources),
        ("Blocks", f"{found.samples:,}"),
        ("Made of", made_of),
        ("Sections", _count(found.sections)),
    ]
    pairs += [
        ("Rows", _count(found.rows_read)),
        ("Dropped rows", _count(found.dropped_rows)),
        ("Trimmed rows", _count(found.trimmed_rows)),
        ("Depth", f"{found.depth:.1f} times" if found.depth else ""),
        ("Longest block", f"{found.longest_tokens:,} tokens"),
        ("Second longest", f"{found.second_longest_tokens:,} tokens" if found.rows_read else ""),
        ("Duplicates", _count(found.duplicates)),
        ("Mean block", f"{found.mean_tokens:,.1f} tokens"),
        ("All tokens", f"{found.total_tokens:,}"),
        ("Trained tokens", f"{found.trained_tokens:,}"),
        ("Padding", f"{number(100 * found.padding_share, 1)} %"),
        ("Split sentences", _count(found.split_sentences)),
        ("Small blocks dropped", _count(found.dropped_small)),
        ("Evaluation blocks", _count(found.eval_samples)),
        ("Blocks an update", f"{plan.batch_size} × {plan.gradient_accumulation_steps}"),
        ("Updates an epoch", f"{found.updates_per_epoch:,}"),
        ("Updates in all", f"{found.total_updates:,}"),
    ]
    return [(name, value) for name, value in pairs if value]


def _count(value: int) -> str:
    return f"{value:,}" if value else ""
