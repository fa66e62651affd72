"""What a run over the prepared data will be: facts, suggestions, notes and refusals. Needs no GPU, costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training_pro.data.advice import Counts, Suggestion, better_numbers, destroying_rate, extremes
from training_pro.data.batch_order import padding_share
from training_pro.data.duplicates import contents
from training_pro.data.lost_rows import fitting_context, is_cut_chat, much_lost
from training_pro.data.prepare import Prepared
from training_pro.data.report import DataReport, SourceReport
from training_pro.data.samples import KINDS, Mix, Samples, Subset, mixed
from training_pro.data.text_notes import text_notes, text_offers
from training_pro.errors import Fault
from training_pro.plan import Plan, suggested_save_steps, suggested_warmup_steps
from training_pro.progress import Progress, no_progress
from training_pro.settings import DEFAULTS, Settings
from training_pro.words import counted

_MANY_CUTS, _SHORT_SECTION_TOKENS = 50, 24


@dataclass(frozen=True)
class Facts:
    """Counts over the training samples; `padding_share` is padding over all tokens of the run's batches, from 0 to 1.

    `duplicates` are the same as an earlier training sample, `evaluated_and_trained` evaluation samples are trained too.
    `depth` is how often DEMENTOR shows a token on average (0 without it). `dropped_rows` were read and are not
    trained. `updates_per_epoch` and `total_updates` are the plan's U and T.
    """

    samples: int
    sections: int
    packed: int
    overlap: int
    windows: int
    depth: float
    longest_tokens: int
    second_longest_tokens: int
    mean_tokens: float
    total_tokens: int
    trained_tokens: int
    padding_share: float
    split_sentences: int
    dropped_small: int
    rows_read: int
    dropped_rows: int
    trimmed_rows: int
    eval_samples: int
    left_out: int
    duplicates: int
    evaluated_and_trained: int
    updates_per_epoch: int
    total_updates: int


@dataclass(frozen=True)
class Verification:
    """`refusals` say why the run can't start and the way out; empty: it can."""

    facts: Facts
    suggestions: tuple[Suggestion, ...]
    notes: tuple[str, ...]
    refusals: tuple[Fault, ...]


def verify(
    prepared: Prepared,
    settings: Settings,
    plan: Plan,
    rates: Sequence[float] | None = None,
    progress: Progress = no_progress,
) -> Verification:
    """All there is to know before the run. Costs some 15 microseconds a sample, to look for duplicates.

    `rates` are the schedule's multipliers of the learning rate for the updates 0, 1, ..., where the caller knows
    them; without them only warmup is judged.
    """
    report, refused = prepared.report, refusals(settings, plan, rates)
    planned = () if refused else plan.notes  # of a plan that can't be
    facts = _facts(prepared, settings, plan, _Twins.of(prepared, progress))
    notes = [*planned, *extremes(settings), *_notes(report, settings), *_twin_notes(facts, report)]
    return Verification(
        facts=facts,
        suggestions=tuple(_suggestions(prepared, settings, plan, facts)),
        notes=tuple(dict.fromkeys(notes)),
        refusals=tuple(refused),
    )


def _unrepeated(train: Samples) -> Samples:
    """The samples without those that a file's repeat (x2) brings again, which is meant."""
    parts = train.parts if isinstance(train, Mix) else [train]
    return mixed([Subset(part.whole, np.unique(part.indices)) if isinstance(part, Subset) else part for part in parts])


@dataclass(frozen=True)
class _Twins:
    """How many training samples are the same as an earlier one, and how many evaluation samples are trained too."""

    trained: int
    evaluated: int

    @classmethod
    def of(cls, prepared: Prepared, progress: Progress) -> _Twins:
        unique = _unrepeated(prepared.train)
        trained = contents(unique, progress)
        evaluated = contents(prepared.eval, progress) if prepared.eval is not None else []
        known = set(trained)
        return cls(len(trained) - len(known), sum(content in known for content in evaluated))


def _facts(prepared: Prepared, settings: Settings, plan: Plan, twins: _Twins) -> Facts:
    report, lengths = prepared.report, prepared.train.lengths
    kinds = np.bincount(prepared.train.kinds, minlength=len(KINDS))
    slicings = [source.slicing for source in report.sources if source.slicing is not None]
    return Facts(
        samples=len(lengths),
        sections=sum(slicing.sections for slicing in slicings),
        packed=int(kinds[KINDS.index("packed")]),
        overlap=int(kinds[KINDS.index("overlap")]),
        windows=int(kinds[KINDS.index("window")]),
        depth=max((slicing.depth for slicing in slicings), default=0.0),
        longest_tokens=int(lengths.max()),
        second_longest_tokens=int(np.partition(lengths, -2)[-2]) if len(lengths) > 1 else 0,
        mean_tokens=float(lengths.mean()),
        total_tokens=int(lengths.sum(dtype=np.int64)),
        trained_tokens=int(prepared.train.trained_counts.sum(dtype=np.int64)),
        padding_share=padding_share(lengths, plan.batch_size, settings.seed, settings.group_by_length, settings.epochs),
        split_sentences=sum(slicing.split_sentences for slicing in slicings),
        dropped_small=sum(slicing.dropped_small for slicing in slicings),
        rows_read=sum(source.rows_read for source in report.sources),
        dropped_rows=sum(source.dropped_rows for source in report.sources),
        trimmed_rows=sum(source.trimmed for source in report.sources),
        eval_samples=report.eval_samples,
        left_out=report.left_out,
        duplicates=twins.trained,
        evaluated_and_trained=twins.evaluated,
        updates_per_epoch=plan.updates_per_epoch,
        total_updates=plan.total_updates,
    )


def _suggestions(prepared: Prepared, settings: Settings, plan: Plan, facts: Facts) -> list[Suggestion]:
    report = prepared.report
    urgent = much_lost(report, settings)
    changed = {name for suggestion in urgent for name in suggestion.changes}
    other = [
        *_answers_only(prepared, settings),
        *better_numbers(settings, plan, _counts(prepared, facts)),
        *_warmup(settings, plan),
        *_checkpoints(settings, plan),
        *_context(report, settings),
        *_split_chats(report, settings),
        *(Suggestion(reason, changes) for source in report.sources for reason, changes in text_offers(source)),
        *_leave_out_duplicates(facts),
    ]
    found = [*urgent, *(suggestion for suggestion in other if not changed & set(suggestion.changes))]
    spoken_of = {name for suggestion in found for name in suggestion.changes}
    accumulation = plan.gradient_accumulation_steps
    if accumulation < settings.gradient_accumulation_steps and "gradient_accumulation_steps" not in spoken_of:
        reason = f"The data has only {plan.batches_per_epoch} batches: Gradient Accumulation Steps {accumulation}"
        found.append(Suggestion(reason, {"gradient_accumulation_steps": accumulation}))
    return found + (_dementor(settings) if settings.dementor else [])


def _answers_only(prepared: Prepared, settings: Settings) -> list[Suggestion]:
    """For rows that are chats, most of them trained whole: by a choice of their own (weight 0) some are not."""
    is_row = prepared.train.kinds == KINDS.index("row")
    whole = prepared.train.trained_counts[is_row] >= prepared.train.lengths[is_row] - 1
    rows = [source for source in prepared.report.sources if source.slicing is None]
    chats = sum(source.samples for source in rows if source.is_chat)
    if settings.loss_on != "all" or settings.train_only_after or not whole.any():
        return []
    if 2 * chats <= sum(source.samples for source in rows) or 2 * int(whole.sum()) <= len(whole):
        return []
    reason = (
        "The questions are learned too, and what the chat template adds (such as a system text). "
        "Train on assistant: the answers only"
    )
    return [Suggestion(reason, {"loss_on": "assistant"})]


def _counts(prepared: Prepared, facts: Facts) -> Counts:
    report = prepared.report
    slicings = [source.slicing for source in report.sources if source.slicing is not None]
    is_row = prepared.train.kinds == KINDS.index("row")
    return Counts(
        tokens=sum(slicing.text_tokens for slicing in slicings) + int(prepared.train.trained_counts[is_row].sum()),
        samples=facts.samples,
        longest_tokens=facts.longest_tokens,
        mean_tokens=facts.mean_tokens,
        padding_share=facts.padding_share,
        sections=facts.sections,
        short_sections=sum(slicing.short_sections for slicing in slicings),
        split_sentences=facts.split_sentences,
        packed=facts.packed,
        has_rows=bool(is_row.any()),
        model_max_tokens=report.model_max_tokens,
    )


def _warmup(settings: Settings, plan: Plan) -> list[Suggestion]:
    wanted = suggested_warmup_steps(plan)
    if settings.warmup_steps <= 0 or wanted == settings.warmup_steps:  # chosen for this data, or left out on purpose
        return []
    reason = f"Warmup Steps {wanted}: a tenth of the run's {plan.total_updates} updates at most, and within one epoch"
    return [Suggestion(reason, {"warmup_steps": wanted})]


def _checkpoints(settings: Settings, plan: Plan) -> list[Suggestion]:
    low, high = suggested_save_steps(plan)
    if low <= settings.save_steps <= high:
        return []
    every = counted(low, "update")
    often = f"{low} to {high} updates" if high > low else f"{low} updates" if low > 1 else "update"
    return [Suggestion(f"Save every {every}: a checkpoint every {often} is usual here", {"save_steps": low})]


def _context(report: DataReport, settings: Settings) -> list[Suggestion]:
    """The longest row rounded up; beside raw text, whose blocks it would change, only where rows were too long."""
    rows = [source for source in report.sources if source.longest_row_tokens]
    longest = max((source.longest_row_tokens for source in rows), default=0)
    wanted = fitting_context(report)
    with_text = len(rows) < len(report.sources)
    if not rows or wanted == settings.max_tokens or (with_text and longest <= settings.max_tokens):
        return []
    reason = f"The longest row has {longest} tokens: Maximum context length {wanted}"
    return [Suggestion(reason, {"max_tokens": wanted})]


def _split_chats(report: DataReport, settings: Settings) -> list[Suggestion]:
    """What trimming takes from chats is lost; split between their turns they lose nothing."""
    chats = [source for source in report.sources if source.trimmed and is_cut_chat(source)]
    if settings.too_long != "trim" or not chats:
        return []
    trimmed = sum(source.trimmed for source in chats)
    reason = f"Chats that are too long ({trimmed:,}) split between their turns, so that nothing of them is lost"
    return [Suggestion(reason, {"too_long": "split"})]


def _leave_out_duplicates(facts: Facts) -> list[Suggestion]:
    if not facts.duplicates:
        return []
    what = f"{facts.duplicates:,} of {counted(facts.samples, 'block')} repeat an earlier one"
    return [Suggestion(f"{what}: Leave out duplicates trains them once", {"skip_duplicates": True})]


def _dementor(settings: Settings) -> list[Suggestion]:
    recipes = {
        "1 epoch at constant rate": {"epochs": 1.0, "lr_scheduler_type": "constant"},
        "2 epochs with FP_low_epoch_annealing": {"epochs": 2.0, "lr_scheduler_type": "FP_low_epoch_annealing"},
    }
    schedules_ok = {(recipe["epochs"], recipe["lr_scheduler_type"]) for recipe in recipes.values()}
    plain = settings.lr_scheduler_type.replace("constant_with_warmup", "constant")
    if (settings.epochs, plain) in schedules_ok:
        return []
    return [Suggestion(f"For DEMENTOR: {words}", changes) for words, changes in recipes.items()]


def _notes(report: DataReport, settings: Settings) -> list[str]:
    notes = list(report.notes)
    for source in (*report.sources, *report.eval_sources):
        notes += source.notes
        notes += _row_notes(source, settings)
        notes += [*text_notes(source), *_text_notes(source, settings)]
    if report.left_out:
        notes.append(f"{report.left_out} samples share text with the evaluation data and are left out of training.")
    return notes


def _twin_notes(facts: Facts, report: DataReport) -> list[str]:
    notes = []
    if report.twins_left_out:
        notes.append(f"Left out: {counted(report.twins_left_out, 'duplicate')}.")
    if facts.evaluated_and_trained:
        notes.append(
            f"{facts.evaluated_and_trained:,} of {facts.eval_samples:,} evaluation blocks are trained too, so that the "
            "evaluation loss looks better than it is; choose other evaluation data."
        )
    return notes


def _row_notes(source: SourceReport, settings: Settings) -> list[str]:
    losses = (
        (source.bad_rows, "skipped, because they can't be used"),
        (
            source.unwanted_rows,
            "left out: marked as not to be learned (label false, weight 0), or nobody answers in them",
        ),
        (source.trimmed, f"trimmed: longer than {settings.max_tokens} tokens"),
        (source.trimmed_stops, "lost their stop token to trimming, so they don't teach the model to end"),
        (source.eliminated_long, f"left out: longer than {settings.max_tokens} tokens"),
        (source.eliminated_untrained, "left out: trimming took all that was to be trained"),
    )
    rows = counted(source.rows_read, "row")
    notes = [f"{source.name}: {count:,} of {rows} {what}." for count, what in losses if count]
    return notes + [f"Skipped: {example}" for example in source.bad_row_examples]


def _text_notes(source: SourceReport, settings: Settings) -> list[str]:
    slicing = source.slicing
    if slicing is None:
        return []
    notes = _cut_notes(source, settings)
    if slicing.split_sentences:
        notes.append(
            f"{source.name}: split {counted(slicing.split_sentences, 'sentence')} of more than "
            f"{settings.max_tokens} tokens."
        )
    if slicing.dropped_small:
        notes.append(f"{source.name}: dropped {counted(slicing.dropped_small, 'small block')}.")
    if settings.dementor and slicing.short_sections:
        notes.append(
            f"{source.name}: {slicing.short_sections} of {slicing.sections} sections are shorter than a window and "
            "are seen only once. Lower the context or remove cuts."
        )
    missing = [name for name, is_missing in (("BOS", slicing.bos_missing), ("EOS", slicing.eos_missing)) if is_missing]
    notes += [f"The model's tokenizer has no {name} token; none was added." for name in missing]
    return notes


def _cut_notes(source: SourceReport, settings: Settings) -> list[str]:
    """A Hard Cut String that cuts nowhere, or nearly everywhere."""
    slicing, found, cut = source.slicing, source.found, settings.hard_cut
    if slicing is None or found is None or source.kind != "text":
        return []
    if not found.hard_cuts and cut not in ("", DEFAULTS["hard_cut"]):
        return [f"{source.name}: the Hard Cut String {cut[:40]} does not occur in it. Check how it is written."]
    mean = slicing.text_tokens / max(slicing.sections, 1)
    rarer = cut != DEFAULTS["hard_cut"]  # who writes blank lines between jokes or quotes means it
    if rarer and found.hard_cuts >= _MANY_CUTS and mean < min(_SHORT_SECTION_TOKENS, settings.max_tokens / 8):
        return [
            f"{source.name}: the Hard Cut String cuts it into {slicing.sections:,} sections of {mean:.0f} tokens on "
            "average. No block crosses a cut, so all are that short. Use a rarer one, such as \\n\\n\\n."
        ]
    return []


def refusals(settings: Settings, plan: Plan, rates: Sequence[float] | None) -> list[Fault]:
    """Why this plan would learn nothing or make the LoRA useless, with the way out; `rates` as in `verify`."""
    total = plan.own_updates
    destroying = destroying_rate(settings)
    if destroying:
        return destroying
    if rates is not None and not any(rate > 0 for rate in rates[:total]):
        updates = "The only update" if total == 1 else f"Each of the {total} updates"
        warming = f" (Warmup Steps {plan.warmup_steps})" if plan.warmup_steps else ""
        text = (
            f"{updates} would have learning rate 0 with {settings.lr_scheduler_type}{warming}; "
            "set Warmup Steps to 0, train more epochs or choose another LR Scheduler."
        )
        options = ("--set warmup_steps=0", "--set epochs=NUMBER", "--set lr_scheduler_type=NAME")
        return [Fault(text, "warmup_steps" if plan.warmup_steps else "lr_scheduler_type", options)]
    if plan.warmup_steps >= total and _never_ends_warmup(settings, plan, rates):
        steps = suggested_warmup_steps(plan)
        text = (
            f"The whole run of {total} updates would be warmup (Warmup Steps {settings.warmup_steps}, Warmup Ratio "
            f"{settings.warmup_ratio:g}); set Warmup Steps to {steps} or train more epochs."
        )
        return [Fault(text, "warmup_steps", (f"--set warmup_steps={steps}", "--set epochs=NUMBER"))]
    return []


def _never_ends_warmup(settings: Settings, plan: Plan, rates: Sequence[float] | None) -> bool:
    """Our own schedules end their warmup with the first epoch at the latest; the others when they are set to."""
    if rates is not None:
        return max(rates[: plan.own_updates]) < 1
    return not (settings.lr_scheduler_type.startswith("FP_") and plan.updates_per_epoch < plan.own_updates)
