"""Small files and conversations for the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training_pro.data.samples import Samples
from training_pro.folders import Folders


def chat(*turns: str, system: str = "") -> dict[str, Any]:
    """A messages row of alternating user and assistant turns."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": content} for i, content in enumerate(turns)]
    return {"messages": [{"role": "system", "content": system}, *messages] if system else messages}


def write_rows(folders: Folders, name: str, rows: list[Any]) -> Path:
    """A JSON array or, for ``.jsonl``, lines in the datasets folder."""
    path = folders.datasets / name
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) if name.endswith("l") else "[" + ",".join(lines) + "]", encoding="utf-8")
    return path


def trained_text(samples: Samples, index: int) -> str:
    """The trained tokens of a sample, decoded and joined; a "·" where something untrained lies between."""
    preview = samples.preview(index)
    shown = "".join(token.text if token.trained else "\0" for token in preview.tokens)
    return "·".join(part for part in shown.split("\0") if part)
