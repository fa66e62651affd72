"""Small JSON files, read whole. Standard library only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def json_in(path: Path) -> Any:
    """What the JSON file holds; a byte order mark is allowed.

    Raises:
        OSError: it can't be read.
        ValueError: it is not JSON, is nested too deeply, or is not UTF-8.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def object_in(path: Path) -> dict[str, Any]:
    """The JSON object in the file; {} where there is none that can be read."""
    try:
        found = json_in(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
