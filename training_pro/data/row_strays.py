"""Characters by accident in rows: how many rows have each kind, for Verify. Costs one search over each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from training_pro.text.stray_characters import strays_in
from training_pro.words import counted


class RowStrays:
    """Counts the rows with strays of each kind, and keeps the first of each as an example."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def look(self, texts: Iterable[str]) -> None:
        """Count these rows too."""
        for text in texts:
            for kind, example in strays_in(text):
                self._counts[kind] += 1
                self._examples.setdefault(kind, example)

    def notes(self) -> list[str]:
        """A sentence on what was found, if there is something."""
        if not self._counts:
            return []
        found = [f"{kind} in {counted(count, 'row')} ({self._examples[kind]})" for kind, count in self._counts.items()]
        return [f"Will be learned too: {', '.join(found)}."]
