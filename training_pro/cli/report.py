"""What verifying found, as lines of text and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from training_pro.cli.terminal import with_options
from training_pro.record.whole_files import strict_json
from training_pro.words import gigabytes

if TYPE_CHECKING:
    from training_pro.data.advice import Suggestion
    from training_pro.plan import Plan
    from training_pro.session import Checked
    from training_pro.training.memory.forecast import Forecast
    from training_pro.training.model.targets import Targets


def json_of(checked: Checked) -> dict[str, Any]:
    """Everything that `lines_of` says, for programs."""
    found = checked.verification
    memory = checked.memory
    values = {
        "memory": {**dataclasses.asdict(memory), "sentence": memory.sentence()} if memory is not None else None,
        "targets": _targets(checked.targets),
        "time": dataclasses.asdict(checked.pace) if checked.pace is not None else None,
        "facts": dataclasses.asdict(found.facts),
        "plan": dataclasses.asdict(checked.plan),
        "notes": list(found.notes),
        "suggestions": [{"reason": s.reason, "changes": dict(s.changes)} for s in found.suggestions],
        "refusals": [refusal.text for refusal in found.refusals],
    }
    return dict(strict_json(values))


def _targets(targets: Targets | None) -> dict[str, Any] | None:
    """What would learn: how many modules and tensors of experts, and in how many layers each thing asked for exists."""
    if targets is None:
        return None
    return {
        "modules": len(targets.modules),
        "kinds": sorted({name.rpartition(".")[2] for name in targets.modules}),
        "experts": [tensor.name for tensor in targets.experts],
        "coverage": [dataclasses.asdict(found) for found in targets.coverage],
    }


def lines_of(checked: Checked) -> Iterator[str]:
    """Facts, notes, suggestions and refusals, one a line."""
    yield from _lines_of_data(checked)
    yield from _lines_of_run(checked)
    suggestions = checked.verification.suggestions
    yield from (f"Warning        {_offered(suggestion)}" for suggestion in suggestions if suggestion.urgent)
    for note in checked.verification.notes:
        yield f"Note           {note}"
    yield from (f"Suggestion     {_offered(suggestion)}" for suggestion in suggestions if not suggestion.urgent)
    for refusal in checked.verification.refusals:
        yield f"Refused        {with_options(refusal.text, refusal.options)}"


def _offered(suggestion: Suggestion) -> str:
    changes = " ".join(f"--set {name}={value}" for name, value in suggestion.changes.items())
    return f"{suggestion.reason} ({changes})" if changes else f"{suggestion.reason}."


def lines_of_memory(memory: Forecast) -> Iterator[str]:
    """What the run needs, part by part."""
    yield f"Memory         {with_options(memory.sentence(), () if memory.fits else memory.options)}"
    parts = ", ".join(f"{name} {gigabytes(size)}" for name, size in memory.parts)
    yield f"               {parts}; the model itself has {gigabytes(memory.weights)}"


def _lines_of_data(checked: Checked) -> Iterator[str]:
    facts = checked.verification.facts
    kinds = [(facts.packed, "packed"), (facts.overlap, "overlap"), (facts.windows, "windows")]
    made_of = ", ".join(f"{count:,} {kind}" for count, kind in kinds if count)
    yield f"Blocks         {facts.samples:,}" + (f" ({made_of})" if made_of else "")
    if facts.sections:
        yield f"Sections       {facts.sections:,}"
    if facts.depth:
        yield f"Depth          {facts.depth:.1f} times"
    if facts.rows_read:
        yield f"Rows           {facts.rows_read:,} read, {facts.dropped_rows:,} dropped, {facts.trimmed_rows:,} trimmed"
        yield f"Longest        {facts.longest_tokens:,} tokens, the second longest {facts.second_longest_tokens:,}"
    yield (
        f"Tokens         {facts.total_tokens:,} ({facts.trained_tokens:,} trained), longest block "
        f"{facts.longest_tokens:,}, mean {facts.mean_tokens:.1f}, padding {100 * facts.padding_share:.1f} %"
    )
    yield f"Split          {facts.split_sentences:,} sentences; {facts.dropped_small:,} small blocks dropped"
    if facts.duplicates:
        yield f"Duplicates     {facts.duplicates:,}"
    if facts.eval_samples:
        yield f"Evaluation     {facts.eval_samples:,} blocks"


def _updates_words(plan: Plan) -> str:
    if plan.begins_at:
        return f"{plan.own_updates:,} more after {plan.begins_at:,}, {plan.total_updates:,} in all"
    return f"{plan.total_updates:,} in all"


def _lines_of_run(checked: Checked) -> Iterator[str]:
    plan = checked.plan
    yield (
        f"Updates        {plan.updates_per_epoch:,} an epoch, {_updates_words(plan)} "
        f"(True Batch Size {plan.batch_size} x accumulation {plan.gradient_accumulation_steps})"
    )
    if checked.pace is not None:
        yield f"Time           {checked.pace.sentence()}"
    if checked.targets is not None:
        names = sorted({name.rpartition(".")[2] for name in checked.targets.modules})
        experts = f", and the experts ({len(checked.targets.experts)} tensors)" if checked.targets.experts else ""
        yield f"Learns         {len(checked.targets.modules):,} layers ({', '.join(names)}){experts}"
    if checked.memory is not None:
        yield from lines_of_memory(checked.memory)
