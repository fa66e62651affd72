"""Whether an existing run can be continued exactly, from which checkpoint, and what speaks against it.

Costs the reading of a few small JSON files.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.data.fingerprint import BLOCKS_OF, ROWS_OF, SETTINGS_COUNTED, changed_parts, fingerprint
from training_pro.data.prepare import Prepared
from training_pro.errors import RunError, UserError
from training_pro.record.checkpoints import newest_first, read_resume_state
from training_pro.record.runs import SETTINGS_FILE
from training_pro.record.state import RunState
from training_pro.record.state import read_state as read_run_state
from training_pro.record.whole_files import write_json_whole
from training_pro.settings import SPECS, Settings, from_dict, read_json_object, to_dict
from training_pro.small_files import json_in
from training_pro.training.controls import LIVE_SETTINGS
from training_pro.training.learning_rate import FOLLOWS_EVALUATION

logger = logging.getLogger(__name__)

# What may differ without changing what is learned: stops, saving, watching, and how activations are stored.
FREE_TO_CHANGE = frozenset(
    {
        "name",
        "override",
        "gradient_checkpointing",
        "stop_at_loss",
        "loss_window",
        "stop_ramp",
        "stop_at_epoch",
        "eval_patience",
        "eval_steps",
        "save_steps",
        "save_at_loss",
        "save_at_end",
        "save_best",
        "keep_checkpoints",
        "watch_forgetting",
        "forgetting_text",
        "sample_prompts",
        "sample_tokens",
        "sample_steps",
        "report_to",
        "tell_when_it_ends",
        "keep_awake",
    }
)
_UPDATE_SIZE = frozenset({"batch_size", "gradient_accumulation_steps"})
START_FILE = "training_start.json"
_EARLIER_SPLITTER = "sentence splitter"  # the part of the fingerprint that the digest of the blocks replaces
_EARLIER_NOTE = (
    "This run was started by an earlier version, which found sentences with {splitter}: some blocks may begin or end "
    "at another sentence than before (in a novel, about 1 of 1,000)."
)


@dataclass(frozen=True)
class Begin:
    """`replace`: a LoRA of this name is kept aside first. `on_top`: it is kept aside and its weights are the start.

    `further`: a new part of a run that has ended begins; with `continue_exactly`. `on_top_of` names a folder with the
    first weights; `checkpoint_update` the checkpoint to continue from (None: the newest).
    """

    continue_exactly: bool = False
    further: bool = False
    checkpoint_update: int | None = None
    replace: bool = False
    on_top: bool = False
    on_top_of: Path | None = None


@dataclass(frozen=True)
class Continuation:
    """The newest whole checkpoint of a run and the state it carries. No checkpoint, but a state with an update: the run
    is trained further from its weights alone."""

    checkpoint: Path | None
    state: dict[str, Any]

    @property
    def update(self) -> int:
        return int(self.state.get("update", 0))


def find_continuation(folder: Path, update: int | None = None) -> Continuation:
    """The newest checkpoint that is whole, or the one of the update asked for.

    Raises:
        RunError: the checkpoint asked for is not there or not whole.
    """
    found = newest_first(folder)
    if update is not None:
        asked = next((checkpoint for checkpoint in found if checkpoint.update == update), None)
        if asked is None:
            there = ", ".join(str(checkpoint.update) for checkpoint in found) or "none"
            raise RunError(f"There is no checkpoint of update {update} in {folder}. Available: {there}.")
        return Continuation(asked.path, read_resume_state(asked))
    for checkpoint in found:
        try:
            return Continuation(checkpoint.path, read_resume_state(checkpoint))
        except RunError as error:
            logger.warning("%s", error)
    return Continuation(None, {})


_CONTINUES = "The run continues from "


def lasting_notes(notes: Sequence[str]) -> list[str]:
    """Of a run's notes those that still hold when it has ended: not where it continued."""
    return [note for note in notes if not note.startswith(_CONTINUES)]


def continued_from(checkpoint: Path | None) -> str:
    """The sentence on where a run continues."""
    if checkpoint is None:
        return "The run has no checkpoint yet: it starts from the beginning."
    return f"{_CONTINUES}{checkpoint.name}; updates after it are repeated."


def stored_settings(folder: Path) -> Settings | None:
    """The settings the run in `folder` was started with; None where there are none of ours."""
    try:
        return from_dict(read_json_object(folder / SETTINGS_FILE))
    except UserError as error:
        logger.info("No settings to compare with in %s: %s", folder, error)
        return None


def stored_processes(folder: Path) -> int:
    """In how many processes the run in `folder` was trained last."""
    state = read_run_state(folder)
    return state.processes if state is not None else 1


def differences(
    before: Settings, now: Settings, processes: tuple[int, int] = (1, 1), free: frozenset[str] = FREE_TO_CHANGE
) -> list[str]:
    """Settings that prevent continuing exactly, one phrase each, but for those `free` to change; `processes` before
    and now.

    In another number of processes what counts is how many blocks an update has.
    """
    old, new = to_dict(before), to_dict(now)
    were, are = processes
    if before.lr_scheduler_type in FOLLOWS_EVALUATION:
        free -= {"eval_steps"}
    if were != are:
        free |= _UPDATE_SIZE
    found = [
        f"{SPECS[name].label} was {old[name]!r}, is {new[name]!r}"
        for name in old
        if name not in free and old[name] != new[name] and not (name == "alpha" and _same_alpha(before, now))
    ]
    if were != are and _blocks_per_update(before) * were != _blocks_per_update(now) * are:
        found.append(f"the blocks of an update were {_update_words(before, were)}, are {_update_words(now, are)}")
    return found


def _same_alpha(before: Settings, now: Settings) -> bool:
    """An alpha that was typed and an automatic one can be the same."""
    return before.rank == now.rank and before.lora_alpha_used() == now.lora_alpha_used()


def _blocks_per_update(settings: Settings) -> int:
    return settings.batch_size * settings.gradient_accumulation_steps


def _update_words(settings: Settings, processes: int) -> str:
    """ "16 (True Batch Size 4 x Gradient Accumulation 2 x 2 processes)"."""
    return (
        f"{_blocks_per_update(settings) * processes} (True Batch Size {settings.batch_size} x Gradient Accumulation "
        f"{settings.gradient_accumulation_steps} x {processes} process{'es' if processes > 1 else ''})"
    )


def check_same(
    before: Settings | None,
    now: Settings,
    processes: tuple[int, int] = (1, 1),
    free: frozenset[str] = FREE_TO_CHANGE,
) -> None:
    """Raises:
    RunError: naming every difference and the ways out.
    """
    if before is None:
        raise RunError(
            f'The LoRA "{now.name}" exists, but its folder has no settings of this program to compare with. Choose '
            "another name, turn on Override Existing Files, or train on top of its weights.",
            option=("--set name=...", "--existing replace", "--existing on-top"),
        )
    found = differences(before, now, processes, free)
    if found:
        raise RunError(
            f'The run "{now.name}" can\'t be resumed exactly: {"; ".join(found)}. Change these back, train on top '
            "of its weights, or turn on Override Existing Files.",
            option=("--existing on-top", "--existing replace"),
        )


def live_values(state: dict[str, Any], now: Settings, settings_win: bool = False) -> dict[str, Any]:
    """The checkpoint's live values, but a stop that was changed in the settings since then wins.

    `settings_win`: the run had ended by a stop, so that continuing means the stops of the settings.
    """
    values = dict(state["live"])
    chosen = state.get("chosen", {})
    for name in LIVE_SETTINGS:
        if settings_win or chosen.get(name) != getattr(now, name):
            values[name] = getattr(now, name)
    return values


def data_parts(prepared: Prepared) -> dict[str, str]:
    """What the samples are made of, beside settings: a digest of each part, by its name."""
    return {name: str(part) for name, part in prepared.fingerprint_parts.items() if name not in SETTINGS_COUNTED}


def check_same_data(name: str, state: RunState, prepared: Prepared) -> str:
    """Whether the run `name` with this `state` was started with exactly the samples of `prepared`.

    Returns a note where that can't be known, else "": earlier versions wrote down which sentence splitter a text went
    through, not which blocks it became.

    Raises:
        RunError: naming what has changed and the ways out.
    """
    if not state.data_fingerprint or state.data_fingerprint == prepared.fingerprint:
        return ""
    now, then = data_parts(prepared), dict(state.data_parts)
    splitter = then.pop(_EARLIER_SPLITTER, "")
    if splitter:
        blocks = [part for part in now if part.startswith(BLOCKS_OF)]
        kept = {
            part: value
            for part, value in prepared.fingerprint_parts.items()
            if not part.startswith((BLOCKS_OF, ROWS_OF))
        }
        if fingerprint({**kept, _EARLIER_SPLITTER: splitter}) == state.data_fingerprint:
            return _EARLIER_NOTE.format(splitter=splitter) if blocks else ""
        now = {part: value for part, value in now.items() if part in then}
    changed = changed_parts(now, then) if then else []
    what = f"changed since: {', '.join(changed)}" if changed else "its data or the tokenizer has changed"
    raise RunError(
        f'The run "{name}" can\'t be resumed exactly: {what}. Change that back, train on top of its weights, or turn '
        "on Override Existing Files.",
        option=("--existing on-top", "--existing replace"),
    )


def remember_start(folder: Path, weights: Path) -> None:
    """Write down in the run's folder where its first weights are.

    Raises:
        RunError: it couldn't be written.
    """
    write_json_whole(folder / START_FILE, {"on_top_of": str(weights)})


def remembered_start(folder: Path) -> Path | None:
    """Where the first weights of the run in `folder` are; None for a run that started with a fresh LoRA.

    Raises:
        RunError: they are no longer there.
    """
    try:
        start = json_in(folder / START_FILE)["on_top_of"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{folder / START_FILE} can't be read ({error}). Delete the run or turn on Override Existing Files.",
            option="--existing replace",
        ) from None
    if not Path(start).is_dir():
        raise RunError(
            f'The run "{folder.name}" began on top of {start}, which no longer exists. Put it back or start again.',
            option="--existing replace",
        )
    return Path(start)
