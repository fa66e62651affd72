"""Markers that look like control tokens and are none of this model's: they would be learned as plain characters."""

from __future__ import annotations

import re

from training_pro.data.tokens import RowTokenizer

_MARKER = re.compile(r"<\|[^|<>\s]{1,40}\|>|<\uff5c[^\uff5c<>\s]{1,40}\uff5c>|</?s>|<(?:start|end)_of_turn>")


def foreign_markers(text: str, tokenizer: RowTokenizer) -> list[str]:
    """The markers in `text` that are not one token of the model, each once, in order."""
    found = [marker for marker in dict.fromkeys(_MARKER.findall(text)) if marker not in tokenizer.special_id_of]
    return [
        marker
        for marker, encoded in zip(found, tokenizer.encode(found, with_offsets=False), strict=True)
        if len(encoded.ids) > 1
    ]
