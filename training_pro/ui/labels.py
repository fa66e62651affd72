"""How the page writes settings: what they are called where that is shorter than their own label, and their values. No
gradio.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from training_pro.settings import SPECS

AUTO = "auto"

# The settings that are always in sight, with words for a narrow field: label ("": the setting's own), help.
NUMBERS = {
    "max_tokens": ("Maximum context length", "Texts: 128 to 256. Rows: the longest one"),
    "epochs": ("", "How often it sees every block"),
    "learning_rate": ("", "1e-4 to 3e-4 is usual"),
    "stop_at_loss": ("", "Style: 1.5 to 2. Chats: 0 (off)"),
    "rank": ("", "Up to 100,000 tokens: 16; more: 32"),
    "alpha": ("", "auto: 2 × rank"),
    "batch_size": ("", "4 is usual; fewer for little data"),
    "gradient_accumulation_steps": ("Gradient Accumulation", "Batches per update"),
}
WHILE_IT_LEARNS = {
    "sample_prompts": ("", "One per line. Answered before, during and after the run"),
    "eval_percent": ("Hold out", "Shows overfitting; 5 to 10"),
    "save_steps": ("Save every", "Checkpoints. 0: none"),
}
_SHORT = {name: label for name, (label, _) in {**NUMBERS, **WHILE_IT_LEARNS}.items() if label}


def shown_value(name: str, value: Any) -> Any:
    """A setting's value as its control has it: learning rates as people write them, "3e-4"; an auto value by name."""
    if SPECS[name].auto is not None:
        return AUTO if value == SPECS[name].auto else f"{value:g}"
    if name != "learning_rate":
        return value
    return f"{Decimal(repr(float(value))).normalize():e}".replace("e+", "e")


def as_on_page(sentence: str, setting: str) -> str:
    """A sentence about `setting` that calls it as the page does, without its name for the command line."""
    label = SPECS[setting].label if setting in SPECS else ""
    told = sentence.replace(f" ({setting})", "") if setting else sentence
    return told.replace(label, _SHORT[setting]) if setting in _SHORT else told
