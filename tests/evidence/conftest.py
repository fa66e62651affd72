"""The experiments are a tool of development, run with the newest libraries alone."""

from __future__ import annotations

from tests.gradio4_helper import is_gradio4

collect_ignore_glob = ["test_*.py"] if is_gradio4() else []
