"""What stands before an answer in the texts that a model was trained on: how the same is asked of it later."""

from __future__ import annotations

from training_pro.data.rendering.formats import Format, FormatEntry


def prompt_in(format_: Format, prompt: str) -> str:
    """The format's shortest text up to the answer, with `prompt` in its first field and nothing in the others.

    A space right before the answer is left out: tokenizers put it into the answer's first token.
    """
    entry = min(format_.entries, key=_size)
    end = next(place for place, part in enumerate(entry.parts) if place % 2 and part == entry.answer_field)
    filled = [("" if place % 2 else part) for place, part in enumerate(entry.parts[:end])]
    if end > 1:
        filled[1] = prompt
    return "".join(filled).rstrip(" ")


def _size(entry: FormatEntry) -> tuple[int, int]:
    return len(entry.fields), len(entry.parts)
