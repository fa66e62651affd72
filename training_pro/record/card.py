"""The model card of a LoRA, ``README.md``: what it was made from, how, and how to use it. Pure text."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from training_pro.record.graph import GRAPH_IMAGE
from training_pro.record.log import RunLog
from training_pro.settings import DEFAULTS, SPECS, Settings, to_dict
from training_pro.words import time_words

CARD_FILE = "README.md"
_NOT_SHOWN = ("name", "override", "report_to")
_FILES = ("text_file", "dataset", "eval_dataset")  # only their last part: paths say more than they should
_LONGEST_CELL = 200


@dataclass(frozen=True)
class Card:
    """What the card tells. `data` is a phrase on kind and size: "raw text, 812 blocks, 190,310 tokens"."""

    settings: Settings
    log: RunLog
    data: str
    has_graph: bool = True
    base_model_path: str = ""  # what plain transformers loads, if that is more than the model's name


def card_text(card: Card) -> str:
    """The whole card in Markdown, with its YAML front matter."""
    parts = [_front_matter(card), f"# {_plain(card.log.name)}", _opening(card), "## Training", _result(card)]
    if card.has_graph:
        parts.append(f"![Loss and learning rate over the epochs]({GRAPH_IMAGE})")
    parts += ["## Settings that differ from the defaults", _settings_table(card.settings), "## Use", _usage(card)]
    return "\n\n".join(parts) + "\n"


def _front_matter(card: Card) -> str:
    base = _quoted(card.log.base_model_name)
    lines = ["library_name: peft", f"base_model: {base}", "tags:", "- lora", "- training-pro"]
    return "\n".join(["---", *lines, "---"])


def _opening(card: Card) -> str:
    base, data = _plain(card.log.base_model_name), _plain(card.data)
    return f"A LoRA for {base}, made with Training PRO from {data}."


def _result(card: Card) -> str:
    log = card.log
    rows = [("Base model", log.base_model_name), ("Data", card.data), ("Ended", log.reason or log.state)]
    rows.append(("Updates", f"{log.updates:,} of {log.total_updates:,} ({log.epochs:.4g} epochs)"))
    rows.append(("Time", f"{time_words(log.runtime_s)}, finished {log.finished or 'at an unknown time'}"))
    if log.tokens:
        rows.append(("Tokens trained on", f"{log.tokens:,}"))
    if log.first_loss is not None and log.loss is not None:
        rows.append(("Loss, smoothed", f"{log.first_loss:.4f} at the start, {log.loss:.4f} at the end"))
    if log.best_eval_loss is not None:
        rows.append(("Best evaluation loss", f"{log.best_eval_loss:.4f} at update {log.best_eval_update}"))
    return _table(("", ""), [(what, _plain(value)) for what, value in rows])


def _settings_table(settings: Settings) -> str:
    """Rank, learning rate and the like are in it only if someone chose them: the defaults are documented."""
    chosen = {name: value for name, value in to_dict(settings).items() if value != DEFAULTS[name]}
    rows = [(_plain(SPECS[name].label), _code(_setting(name, value))) for name, value in chosen.items() if _told(name)]
    return _table(("Setting", "Value"), rows) if rows else "None: all settings are the defaults."


def _usage(card: Card) -> str:
    base = _quoted(card.base_model_path or card.log.base_model_name)
    folder = _quoted(f"path/to/{card.log.name}")
    return f"""```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({base})
model = AutoModelForCausalLM.from_pretrained({base})
model = PeftModel.from_pretrained(model, {folder})
```"""


def _told(name: str) -> bool:
    return name not in _NOT_SHOWN


def _setting(name: str, value: Any) -> str:
    return PurePath(str(value).replace("\\", "/")).name if name in _FILES else str(value)


def _table(heads: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"| {heads[0]} | {heads[1]} |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown or HTML would act on."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(_one_line(text), quote=False))


def _code(text: str) -> str:
    """`text` as code in a table's cell."""
    shown = _one_line(text).replace("`", "'").replace("|", "\\|")
    return f"`{shown[:_LONGEST_CELL]}{'…' if len(shown) > _LONGEST_CELL else ''}`"


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _quoted(text: str) -> str:
    """A string that YAML and Python read alike, and that can't end a code block."""
    return json.dumps(_one_line(text).replace("`", "'"), ensure_ascii=False)
