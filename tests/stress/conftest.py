"""Fixtures of the long proofs: as in the training room, tiny runs waste no time on threads."""

from __future__ import annotations

from tests.training.conftest import _quick  # noqa: F401 (a fixture for every test here)
