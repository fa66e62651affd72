"""Settings of the data that do nothing in a run, or contradict each other: one sentence each, with the way out.

Nothing of it prevents the run. Pure; costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from training_pro.settings import DEFAULTS, SPECS, Settings

_TEXTS, _CHATS = {"text", "text rows"}, {"messages", "sharegpt"}
_ROWS = {"alpaca", *_CHATS}
_NEEDS = {  # by setting: the kinds of data that it is for, and what people call them
    "dementor": (_TEXTS, "running text"),
    "min_block_chars": (_TEXTS, "running text"),
    "hard_cut": (_TEXTS, "running text"),
    "control_tokens": (_TEXTS, "running text"),
    "format": ({"alpaca"}, "instruction rows"),
    "chat_template": (_ROWS, "chat and instruction rows"),
    "too_long": (_ROWS, "chat and instruction rows"),
    "columns": ({"text rows", *_ROWS}, "rows"),
}
_SHOWN_CHARS = 60


def idle_settings(settings: Settings, kinds: Collection[str]) -> list[str]:
    """The sentences; `kinds` are those of the data to train on and to evaluate with."""
    return [*_without_data(settings, {*kinds}), *_without_each_other(settings, {*kinds})]


def _without_data(settings: Settings, kinds: set[str]) -> Iterator[str]:
    for name, (needed, words) in _NEEDS.items():
        value, usual = getattr(settings, name), DEFAULTS[name]
        if value not in (usual, "") and not kinds & needed:
            shown = "" if isinstance(value, bool) else f" {_as_typed(value)}"
            back = "Turn it off" if isinstance(value, bool) else f"Set it to {usual}" if usual != "" else "Clear it"
            yield f"{SPECS[name].label}{shown} has no effect: it is for {words}, and the data has none. {back}."


def _as_typed(value: Any) -> str:
    """A number plain, words in quotes and on one line."""
    return f"'{value[:_SHOWN_CHARS]}'".replace("\n", "\\n") if isinstance(value, str) else str(value)


def _without_each_other(settings: Settings, kinds: set[str]) -> Iterator[str]:
    if settings.dataset_kind != "auto" and not (settings.dataset or settings.eval_dataset):
        yield f"Kind of dataset is {settings.dataset_kind}, but no Dataset is chosen. Set it to auto."
    if settings.format and settings.chat_template and "alpaca" in kinds and not kinds & _CHATS:
        yield (
            f"Data Format {settings.format} and Chat template {settings.chat_template} are both chosen: the rows go "
            "through the Data Format alone. Clear one of them."
        )
    if settings.too_long == "split" and settings.format and "alpaca" in kinds:
        yield (
            f"Rows that go through Data Format {settings.format} are not split: those that are too long are trimmed. "
            "Clear the Data Format or set Rows that are too long to trim."
        )
    if settings.eval_dataset and settings.eval_percent:
        yield (
            f"An Evaluation Dataset is chosen, so that Hold out for evaluation {settings.eval_percent:g} % has no "
            "effect. Set it to 0 or clear the Evaluation Dataset."
        )
    for name in ("hybrid_data_percent", "hybrid_text_percent"):
        percent = getattr(settings, name)
        if settings.hybrid and percent == 0:
            yield f"{SPECS[name].label} is 0 %: none of it is trained. Raise it or turn Hybrid Training off."
        elif not settings.hybrid and percent != DEFAULTS[name]:
            yield (
                f"{SPECS[name].label} {percent:g} % has no effect without Hybrid Training. To use a part of a file, "
                f"write NAME {percent:g}%."
            )
