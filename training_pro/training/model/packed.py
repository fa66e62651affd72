"""Spares a card one wait in each forward pass: transformers' search for several sequences packed into one row.

Where there is no attention mask, transformers compares the positions of all tokens and waits for the answer. Blocks
start at position 0 and are never packed, so the answer is the same in each pass of a run: it is asked for once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

_NAME = "find_packed_sequence_indices"


@contextmanager
def packed_asked_once() -> Iterator[None]:
    """While entered, this thread searches once; if that finds nothing packed, nothing is from then on."""
    from transformers import masking_utils

    search = getattr(masking_utils, _NAME, None)
    if search is None:  # another version of transformers, which may not search at all
        yield
        return
    thread, nothing_packed = get_ident(), False

    def searching(*given: Any, **named: Any) -> Any:
        nonlocal nothing_packed
        if get_ident() != thread:
            return search(*given, **named)
        if nothing_packed:
            return None
        found = search(*given, **named)
        nothing_packed = found is None
        return found

    setattr(masking_utils, _NAME, searching)
    try:
        yield
    finally:
        setattr(masking_utils, _NAME, search)
