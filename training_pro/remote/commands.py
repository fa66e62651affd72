"""The commands for a run in progress: from a command line, through a file, to its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training_pro.errors import SettingsError, UserError
from training_pro.training.controls import Controls
from training_pro.values import value_from

VALUES = {  # word -> live value
    "stop-loss": "stop_at_loss",
    "stop-epoch": "stop_at_epoch",
    "loss-window": "loss_window",
    "learning-rate-scale": "learning_rate_scale",
    "stop-ramp": "stop_ramp",
}
_EXAMPLES = {"stop-loss": "1.5", "stop-epoch": "2", "loss-window": "5", "learning-rate-scale": "0.5", "stop-ramp": "on"}
_SWITCH = {"on": True, "off": False}
ACTIONS = ("checkpoint", "sample", "pause", "resume", "stop")
WORDS = (*VALUES, *ACTIONS)
_MOST_PROMPT_CHARACTERS = 10_000


@dataclass(frozen=True)
class Command:
    """`do`: "set" with `values`, or one of `ACTIONS`; `text` is the prompt of a sample, the reason of a stop."""

    do: str
    values: dict[str, Any] = field(default_factory=dict)
    text: str = ""


def command_from(word: str, rest: Sequence[str]) -> Command:
    """The command that was typed.

    Raises:
        UserError: no such word, or a value is missing or one too many.
    """
    if word in VALUES:
        return _setting(word, rest)
    if word not in ACTIONS:
        raise UserError(f"There is no command {word!r}. Known: {', '.join((*WORDS, 'status'))}.")
    if rest and word != "sample":
        raise UserError(f"{word} takes no value, but was given {' '.join(rest)!r}. Leave that out.")
    return Command(word, text=" ".join(rest))


def _setting(word: str, rest: Sequence[str]) -> Command:
    way_out = f"write e.g.: {word} {_EXAMPLES[word]}"
    if not rest:
        raise UserError(f"The value of {word} is missing; {way_out}")
    if len(rest) > 1:
        raise UserError(f"{word} takes one value, not {len(rest)}; {way_out}")
    if word == "stop-ramp":
        if rest[0].lower() not in _SWITCH:
            raise UserError(f"{word} is on or off, not {rest[0]!r}; {way_out}")
        return Command("set", {VALUES[word]: _SWITCH[rest[0].lower()]})
    try:
        return Command("set", {VALUES[word]: float(rest[0])})
    except ValueError:
        raise UserError(f"{word} {rest[0]!r} is not a number; {way_out}") from None


def read_command(values: Mapping[str, Any]) -> Command:
    """The command of a file.

    Raises:
        UserError: it is not a command.
    """
    try:
        command = value_from(Command, values)
    except ValueError as error:
        raise UserError(f"The command can't be read ({error}). Send it again.") from None
    if command.do != "set" and command.do not in ACTIONS:
        raise UserError(f"{command.do[:60]!r} is not a command of this version. Known: set, {', '.join(ACTIONS)}.")
    return command


def obey(command: Command, controls: Controls, has_prompts: bool) -> str:
    """Pass the command to the run's controls; what to answer.

    Raises:
        UserError: the values are wrong; nothing is changed then.
    """
    if command.do == "set":
        if not command.values:
            raise SettingsError(["Nothing is set. Name a value."])
        controls.set(**command.values)
        return "It takes effect with the current update."
    if command.do == "sample":
        return _sample(command.text.strip(), controls, has_prompts)
    if command.do == "stop":
        controls.interrupt(command.text or "interrupted from another terminal")
        return "The run ends with the current batch, and the LoRA is saved."
    actions = {"checkpoint": controls.ask_checkpoint, "pause": controls.pause, "resume": controls.resume}
    actions[command.do]()
    return {
        "checkpoint": "A checkpoint is written with the current update.",
        "pause": "The run pauses before its next update.",
        "resume": "The run continues.",
    }[command.do]


def _sample(prompt: str, controls: Controls, has_prompts: bool) -> str:
    if len(prompt) > _MOST_PROMPT_CHARACTERS:
        raise UserError(f"The prompt has {len(prompt):,} characters; shorten it to {_MOST_PROMPT_CHARACTERS:,}.")
    if not prompt and not has_prompts:
        raise UserError('The run has no sample prompts. Give one, as in: sample "Once upon a time".')
    controls.ask_sample(prompt)
    return "The answer comes after the current update."
