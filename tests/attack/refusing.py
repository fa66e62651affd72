"""What a bad input must get: one clear sentence by a `UserError`, and nothing written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.promises import Cases
from training_pro.errors import SettingsError, UserError

MOST_CHARACTERS = 600
Attempt = Callable[[], Any]


def complaint(attempt: Attempt) -> str:
    """What is wrong with how `attempt` was answered; "" where it was refused as it should."""
    try:
        made = attempt()
    except SettingsError as error:
        sentences = [unclear(str(fault)) for fault in error.faults] or ["no sentence"]
        return next(filter(None, sentences), "")
    except UserError as error:
        return unclear(str(error))
    except Exception as error:  # noqa: BLE001 - that there is another is what is looked for
        return f"raised {type(error).__name__}: {str(error)[:200]}"
    return f"went through as {str(made)[:200]}"


def unclear(sentence: str) -> str:
    """Why `sentence` is not one clear sentence; "" if it is."""
    faults = {
        "says nothing": len(sentence.strip()) < 20,
        "has several lines": "\n" in sentence,
        f"has {len(sentence):,} characters": len(sentence) >= MOST_CHARACTERS,
        "is a traceback": "Traceback" in sentence,
        "does not end": not sentence.rstrip().endswith((".", "?", "...")),
    }
    wrong = [what for what, is_so in faults.items() if is_so]
    return f"{' and '.join(wrong)}: {sentence[:200]!r}" if wrong else ""


def listing(folder: Path) -> dict[str, int]:
    """Everything below `folder` with its size; links are not followed."""
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob("*")}


def all_refused(attempts: Mapping[str, Attempt], folder: Path, cases: Cases) -> None:
    """Each attempt gets its sentence and leaves `folder` as it was; all are tried and counted before it fails."""
    wrong = {}
    for name, attempt in attempts.items():
        before = listing(folder)
        what = complaint(attempt) or ("" if listing(folder) == before else "something was written")
        cases.count(not what)
        if what:
            wrong[name] = what
    assert not wrong, "\n".join(f"{name}: {what}" for name, what in wrong.items())
