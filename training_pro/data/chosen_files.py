"""Several files in one setting: ``book.txt x2; notes/ 50%; "odd; name.txt"``.

Files are separated by semicolons or line ends. After a name, ``x2`` means that each sample is trained twice an epoch,
``50%`` that a random half of the samples is used (the seed picks the same ones). A name with a semicolon or a quotation
mark of its own goes between double quotes; what is the name of one file as a whole is that file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training_pro.errors import DataError

MOST_TIMES = 100.0
MOST_FILES = 200
_ITEM = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]+)"|(?P<plain>[^;\n"]+?))
    (?:\s+(?:[x\u00d7]\s*(?P<times>\d{1,6}(?:\.\d{1,6})?)|(?P<percent>\d{1,6}(?:\.\d{1,6})?)\s*%))?\s*(?:[;\n]|$)""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class ChosenFile:
    """A file or folder by name. `share`: how often its samples are trained in an epoch; 2.0 twice, 0.5 half of them."""

    name: str
    share: float = 1.0


def chosen_files(text: str, folder: Path | None = None) -> list[ChosenFile]:
    """The files that a setting names; none for an empty one. `folder` is where names are looked up.

    Raises:
        DataError: what is there can't be read as a list, a share is out of bounds, or a file is named twice.
    """
    if not text.strip():
        return []
    if folder is not None and _is_there(folder / text.strip()):
        return [ChosenFile(text.strip())]
    found, at = [], 0
    while at < len(text.rstrip(" ;\n")):
        item = _ITEM.match(text, at)
        if item is None:
            raise DataError(
                f"The list of files can't be read at {text[at : at + 40]!r}. Write it like: "
                'book.txt x2; "odd; name.txt" 50%.'
            )
        at = item.end()
        found.append(_chosen(item, folder))
        if len(found) > MOST_FILES:
            raise DataError(f"More than {MOST_FILES} files are chosen. Put them into a folder and choose that.")
    names = [chosen.name for chosen in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f'{twice} is chosen twice. To train it twice an epoch, write "{twice} x2".')
    return found


def written_files(files: Sequence[ChosenFile]) -> str:
    """The setting that `chosen_files` reads as these files."""
    return "; ".join(_written(chosen) for chosen in files)


def _written(chosen: ChosenFile) -> str:
    odd = (
        any(sign in chosen.name for sign in ";\n")
        or chosen.name != chosen.name.strip()
        or _ends_like_a_share(chosen.name)
    )
    name = f'"{chosen.name}"' if odd else chosen.name
    if chosen.share == 1:
        return name
    return f"{name} x{chosen.share:g}" if chosen.share > 1 else f"{name} {chosen.share * 100:g}%"


def _ends_like_a_share(name: str) -> bool:
    item = _ITEM.match(name)
    return item is None or item["plain"] != name


def _chosen(item: re.Match[str], folder: Path | None) -> ChosenFile:
    name = item["quoted"] or item["plain"]
    if item["quoted"] is None and folder is not None:
        whole = item[0].strip().rstrip(";").strip()
        if whole != name and _is_there(folder / whole):
            return ChosenFile(whole)  # a file whose name ends like a share
    if item["times"] is None and item["percent"] is None:
        return ChosenFile(name)
    share = float(item["times"]) if item["times"] is not None else float(item["percent"]) / 100
    if not 0 < share <= MOST_TIMES:
        raise DataError(
            f"{name}: {share:g} times is out of range. Choose more than 0 and at most {MOST_TIMES:g} times."
        )
    return ChosenFile(name, share)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
