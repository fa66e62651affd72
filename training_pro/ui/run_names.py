"""Names for new runs, made from what is there: from a file, or from an earlier run. No gradio."""

from __future__ import annotations

import re
from pathlib import PurePath

from training_pro.folders import Folders

_NUMBERED = re.compile(r"(.*?)-(\d+)")
_MOST = 40


def free_name(folders: Folders, name: str) -> str:
    """`name` with the first number behind it that no LoRA has: "tales" becomes "tales-2"."""
    numbered = _NUMBERED.fullmatch(name)
    stem, number = (numbered[1], int(numbered[2])) if numbered and numbered[1] else (name, 1)
    while True:
        number += 1
        if not (folders.loras / f"{stem}-{number}").exists():
            return f"{stem}-{number}"


def free_name_for(folders: Folders, file: str) -> str:
    """A name after a file that no LoRA has: "My Tales.txt" becomes "My_Tales"."""
    stem = re.sub(r"[^\w-]+", "_", PurePath(file).stem)[:_MOST].strip("_-") or "lora"
    return stem if not (folders.loras / stem).exists() else free_name(folders, stem)
