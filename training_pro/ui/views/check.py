"""What a check of the settings found, as HTML: the line below the files, the card of the run to be. No gradio."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from training_pro.data.advice import Suggestion
from training_pro.data.repairs import BUTTONS, Repair
from training_pro.errors import Fault, NameTaken
from training_pro.session import Checked
from training_pro.settings import DEFAULTS, SPECS, Settings, to_dict
from training_pro.ui.labels import shown_value
from training_pro.ui.views.markup import box, icon, number, on_page, text
from training_pro.words import gigabytes, time_words

if TYPE_CHECKING:
    from training_pro.training.memory.forecast import Forecast
    from training_pro.training.pace import Pace

MOST_REMARKS = 3  # that are shown at once
NOT_CHECKED = "Checking …"
MOST_NAMED = 5  # of the settings that a tile has changed
REMARKS_HAND = "remarks"
BACK_HAND = "presets"  # puts back what a tile has changed
SPEED_BUTTON = "measure-speed"
_MEASURE = (
    f'<button type="button" class="tp-link" data-press="tp-{SPEED_BUTTON}" '
    'title="Trains some updates for a try and leaves the model as it was.">Measure speed</button>'
)
_BESIDE_THE_FILES = frozenset({"text_file", "dataset", "format", "columns"})
_BUTTONS = {"loss_on": "Train answers only"}  # where the value alone says little
_NOT_COUNTED = frozenset({"name", "text_file", "dataset", "hybrid", "format", "eval_dataset"})


@dataclass(frozen=True)
class Remark:
    """One thing to know before the start; `changes` are the settings that its button sets, `repair` what it mends."""

    tone: str  # "red", "amber" or "info"
    sentence: str
    button: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    repair: Repair | None = None


def remarks(checked: Checked, named: Sequence[str] = (), repairs: Sequence[Repair] = ()) -> list[Remark]:
    """What stops the run first, then what can be mended or would be better, then what there is to know."""
    found = checked.verification
    said = {note for repair in repairs for note in repair.instead_of}
    urgent = [_offer(offer, "amber") for offer in found.suggestions if offer.urgent]
    offers = [_offer(offer, "info") for offer in found.suggestions if not offer.urgent]
    memory = checked.memory
    short = [Remark("amber", memory.sentence())] if memory is not None and not memory.fits else []
    return [
        *(Remark("red", on_page(refusal)) for refusal in found.refusals),
        *short,
        *urgent,
        *(Remark("amber", note) for note in named),
        *(mending(repair) for repair in repairs if not repair.names),
        *offers,
        *(Remark("info", note) for note in found.notes if note not in said),
    ]


def _offer(offer: Suggestion, tone: str) -> Remark:
    return Remark(tone, offer.reason, _button(offer.changes) if offer.changes else "", offer.changes)


def mending(repair: Repair) -> Remark:
    """A repair with its button. A chat log has a row of its own instead, where a name is chosen."""
    return Remark("amber" if repair.urgent else "info", repair.sentence, BUTTONS[repair.job], repair=repair)


def fault_remark(fault: Fault, repair: Repair | None = None) -> Remark | None:
    """What Your run says of a fault: what can be done with one click, or, of a setting whose field may be out of sight,
    what is wrong. None where it stands beside the files."""
    said = on_page(fault)
    if repair is not None:
        return Remark("red", said, BUTTONS[repair.job], repair=repair)
    if fault.setting == "bad_rows":
        return Remark("red", said, "Skip bad rows", {"bad_rows": "skip"})
    if fault.setting == "hybrid":
        return Remark("red", said, "Train both", {"hybrid": True})
    return Remark("red", said) if fault.setting and fault.setting not in _BESIDE_THE_FILES else None


def _button(changes: Mapping[str, Any]) -> str:
    if len(changes) != 1:
        return "Use them"
    ((name, value),) = changes.items()
    if name in _BUTTONS:
        return _BUTTONS[name]
    return f"Use {_written(name, value)}" if not isinstance(value, bool) else "Turn on" if value else "Turn off"


def _written(name: str, value: Any) -> str:
    """A setting's value in words: 4, not 4.0."""
    shown = shown_value(name, value)
    return f"{shown:g}" if isinstance(shown, float) else str(shown)


def remark(one: Remark) -> str:
    """The line of a remark; its button stands beside it."""
    kind = "alert" if one.tone in ("red", "amber") else "info"
    role = ' role="alert"' if one.tone == "red" else ""
    return f'<div class="tp-remark tp-{one.tone}"{role}>{icon(kind)}<span>{text(one.sentence)}</span></div>'


def remark_rows(told: Sequence[Remark]) -> str:
    """All of them, each with its button; the later ones are shown when they are asked for."""
    rows = "".join(_remark_row(place, one) for place, one in enumerate(told))
    return f'<div class="tp-remark-list">{rows}{more_remarks(told[MOST_REMARKS:])}</div>'


def _remark_row(place: int, one: Remark) -> str:
    late = " tp-late" if place >= MOST_REMARKS else ""
    press = (
        f'<button type="button" class="tp-btn tp-s" id="tp-use-{place}" data-hand="{REMARKS_HAND}" data-act="{place}">'
        f"{text(one.button)}</button>"
        if one.button
        else ""
    )
    return f'<div class="tp-remark-row{late}"><div id="tp-remark-{place}">{remark(one)}</div>{press}</div>'


def more_remarks(rest: Sequence[Remark]) -> str:
    """The button that shows the remarks for which there is no room at first."""
    if not rest:
        return ""
    return (
        '<button type="button" class="tp-link" data-do="remarks" aria-expanded="false">'
        f"{len(rest)} more to know</button>"
    )


def changed_back(preset: str, lost: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """What a tile made of settings that a person had chosen, with a button to have them back; "" for none."""
    if not lost:
        return ""
    named = [
        f"{SPECS[name].label} {_written(name, was)} (now {_written(name, values[name])})" for name, was in lost.items()
    ]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    said = f"{preset} changed settings of yours: {', '.join(named[:MOST_NAMED])}{more}."
    press = f'data-hand="{BACK_HAND}" data-act="{text(json.dumps(lost, ensure_ascii=False))}"'
    words = "Put it back" if len(lost) == 1 else "Put them back"
    button = f'<button type="button" class="tp-btn tp-s" {press}>{words}</button>'
    return f'<div class="tp-changed-back">{box("info", said)}{button}</div>'


def strip(checked: Checked) -> str:
    """One line on the data: what it is, and what becomes of it."""
    cells = "".join(f"<span><b>{text(value)}</b> {text(what)}</span>" for value, what in _counts(checked))
    return f'<div class="tp-strip">{icon("check", "tp-good")}<span class="tp-facts tp-num">{cells}</span></div>'


def strip_says(tone: str, sentence: str) -> str:
    """The same line where there is nothing to count, or a fault."""
    kind = "alert" if tone == "red" else "info"
    role = ' role="alert"' if tone == "red" else ""
    return f'<div class="tp-strip tp-{tone}"{role}>{icon(kind)}<span>{text(sentence)}</span></div>'


def _counts(checked: Checked) -> Iterator[tuple[str, str]]:
    found = checked.verification.facts
    if found.sections:
        yield f"{found.sections:,}", "sections" if found.sections != 1 else "section"
    if found.rows_read:
        yield f"{found.rows_read:,}", "rows"
    if found.windows:
        yield f"{found.windows:,}", f"windows, depth {found.depth:.1f}"
    if found.packed:
        yield f"{found.packed:,}", f"blocks of up to {found.longest_tokens:,} tokens"
    if found.overlap:
        yield f"{found.overlap:,}", "overlaps"
    if found.rows_read and not found.packed:
        yield f"{found.samples:,}", f"blocks of up to {found.longest_tokens:,} tokens"
    for count, what in (
        (found.dropped_rows, "dropped"),
        (found.trimmed_rows, "trimmed"),
        (found.eval_samples, "held out"),
    ):
        if count:
            yield f"{count:,}", what


def details(checked: Checked) -> str:
    """All that was counted, for those who look closer."""
    found, plan = checked.verification.facts, checked.plan
    pairs = [
        ("Tokens", f"{found.total_tokens:,}"),
        ("Trained tokens", f"{found.trained_tokens:,}"),
        ("Longest block", f"{found.longest_tokens:,} tokens"),
        ("Second longest block", f"{found.second_longest_tokens:,} tokens"),
        ("Mean block", f"{found.mean_tokens:,.1f} tokens"),
        ("Padding", f"{number(100 * found.padding_share, 1)} %"),
        ("Split sentences", f"{found.split_sentences:,}"),
        ("Small blocks left out", f"{found.dropped_small:,}"),
        ("Blocks per update", f"{plan.batch_size} × {plan.gradient_accumulation_steps}"),
    ]
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="tp-facts tp-all-facts">{cells}</dl>'


def not_checked() -> str:
    """The card of the run to be before the first check."""
    return f'<div class="tp-head"><h2>Your run</h2><span class="tp-chip">{NOT_CHECKED}</span></div>'


def your_run(checked: Checked | None, ready: str = "Ready", fault: str = "") -> str:
    """The numbers of the run to be: time, updates, memory."""
    chip = (
        f'<span class="tp-chip tp-red">{text(fault)}</span>'
        if fault
        else f'<span class="tp-chip tp-ok">{icon("check")}{text(ready)}</span>'
    )
    head = f'<div class="tp-head"><h2>Your run</h2>{chip}</div>'
    if checked is None:
        return head
    plan = checked.plan
    takes = _takes(checked.pace)
    updates = (
        f'<div class="tp-updates"><div class="tp-dt">{plan.updates_per_epoch:,} per epoch</div>'
        f'<div class="tp-num"><b>{plan.total_updates:,}</b> updates</div></div>'
    )
    return f'{head}<div class="tp-row tp-between tp-numbers">{takes}{updates}</div>{memory_meter(checked.memory)}'


def _takes(pace: Pace | None) -> str:
    """How long the run will take; a guess is called one."""
    if pace is None:
        return ""
    measured = bool(pace.measured_in)
    words, link = ("Takes about", "") if measured else ("Takes, roughly guessed", _MEASURE)
    return (
        f'<div title="{text(pace.sentence())}"><div class="tp-dt">{words}</div>'
        f'<div class="tp-big">{time_words(pace.seconds)}</div>{link}</div>'
    )


def memory_meter(memory: Forecast | None) -> str:
    """What the run needs of what is free; its parts are shown by pointing at it."""
    if memory is None:
        return ""
    need, free = sum(size for _, size in memory.parts), memory.free_bytes
    parts = ", ".join(f"{name} {gigabytes(size)}" for name, size in memory.parts)
    share = min(100.0, 100.0 * need / free) if free else 100.0
    chip = (
        f'<span class="tp-chip tp-ok">{icon("check")}fits</span>'
        if memory.fits
        else '<span class="tp-chip tp-red">does not fit</span>'
    )
    of = f" of {gigabytes(free)} free" if free else ""
    return (
        f'<div title="{text(parts)}"><div class="tp-row tp-between tp-memory"><span>Memory '
        f'<span class="tp-soft tp-num">{gigabytes(need)}{of}</span></span>{chip}</div>'
        f'<div class="tp-meter"><i class="tp-full" style="width:{share:.0f}%"></i></div></div>'
    )


def bar_line(checked: Checked | None, count: int, fault: str) -> str:
    """What the phone's bottom bar says beside Start."""
    remarks = f"{count} remark{'s' if count != 1 else ''}" if count else ""
    shown = f'<button type="button" class="tp-link" data-do="to-remarks">{remarks}</button>' if remarks else ""
    if checked is None:
        what = f"<b>{text(fault or 'Choose a text')}</b>"
        return f'{what}<br><span class="tp-small">{shown}</span>' if shown else what
    pace = f" · {time_words(checked.pace.seconds)}" if checked.pace is not None else ""
    what = f"{checked.plan.total_updates:,} updates{pace}"
    fits = "" if checked.memory is None else "Fits in memory" if checked.memory.fits else "Does not fit in memory"
    said = " ".join(part for part in (fits, shown) if part)
    return f'<b class="tp-num">{what}</b><br><span class="tp-small tp-soft">{said}</span>'


def taken_words(settings: Settings, taken: NameTaken) -> str:
    """What Start will do where a LoRA has the name already."""
    there = f'A LoRA "{settings.name.strip()}" exists ({taken.standing}).'
    if settings.override:
        return f"{there} Override Existing Files is on: Start replaces it and sets the old one aside."
    resume = "resume it, " if taken.can_continue else ""
    return f"{there} Start asks whether to {resume}train on top of its weights or replace it."


def marks(
    settings: Settings | None, faults: Sequence[Fault], values: Mapping[str, Any], told: Mapping[str, str] | None = None
) -> str:
    """For the page's script, as data: which fields are wrong or changed, what is `told` beside one that is not wrong,
    and the form as it is, to be kept."""
    wrong = {fault.setting: on_page(fault) for fault in faults if fault.setting}
    chosen = to_dict(settings) if settings is not None else {}
    changed = {
        name: _written(name, DEFAULTS[name])
        for name, value in chosen.items()
        if name not in _NOT_COUNTED and value != DEFAULTS[name]
    }
    kept = {**dict(values)}
    marked = {"wrong": wrong, "told": dict(told or {}), "changed": changed, "form": kept}
    said = json.dumps(marked, ensure_ascii=False, default=str)
    return f'<i class="tp-marks" data-marks="{text(said)}"></i>'
