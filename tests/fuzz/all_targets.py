"""Every target, by its name."""

from __future__ import annotations

from tests.fuzz import choices, models, records, rows, texts, web  # noqa: F401 (each enters its own)
from tests.fuzz.target import TARGETS as TARGETS
