"""A row's own fields as plain texts: Windows line ends, ways to write "nothing", true and false, lists of one text, and
questions with answers to choose from.

Costs a look at each field. Stands between the readers of files and all that reads rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from training_pro.data.rows.fields import USUAL, filled, folded
from training_pro.data.rows.request_logs import with_chat

_NOTHING = {"<noinput>", "no input", "noinput", "nan", "null", "none", "n/a", "-"}
_INPUTS = frozenset(USUAL["input"])
_ANSWERS = frozenset({*USUAL["answer"], "answerkey", "label", "correct_answer", "answer_index"})
_SINGLE = frozenset({*USUAL["prompt"], *USUAL["answer"], *USUAL["system"]} - {"answers"})
_SAID = frozenset({*USUAL["answer"]} - {"chosen"})
_LINES = frozenset({*USUAL["text"], "context"})
_WRAPPINGS = ("data", "row", "example", "item", "json")
_CHOICES = ("choices", "options")
_SEVERAL = ("completions", "responses", "answers", "generations", "candidates", "outputs")
_SCORES = ("overall_score", "score", "rating", "reward")
_RANKS = ("rank", "ranking")  # of these the lowest is the best


def tidied(row: dict[str, Any], as_named: bool = False) -> dict[str, Any]:
    """The row; what was no plain text and clearly stands for one is. `as_named`: every field stays under its name."""
    inner = next(iter(row.values())) if len(row) == 1 and next(iter(row)) in _WRAPPINGS else None
    row = inner if isinstance(inner, dict) else row
    row = row if as_named else with_chat(row)
    tidy = {name: _tidied(folded(name), value) for name, value in row.items()}
    best = _with_best(tidy) if not as_named and any(name in row for name in _SEVERAL) else tidy
    if best is not tidy:
        return best
    return _with_choice(tidy) if any(name in row for name in _CHOICES) else tidy


def _tidied(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if "\r" in value:
            value = value.replace("\r\n", "\n").replace("\r", "\n")
        return "" if name in _INPUTS and value.strip().lower() in _NOTHING else value
    if isinstance(value, bool):
        return str(value).lower() if name in _SAID else value
    if isinstance(value, list) and value and (name in _SINGLE or name in _LINES):
        return _of_list(name, value)
    return value


def _of_list(name: str, value: list[Any]) -> Any:
    """The text of a list of lines, or of a list of one text."""
    if not all(isinstance(item, str) for item in value):
        return value
    return "\n".join(value) if name in _LINES or len(value) == 1 else value


def _with_choice(row: dict[str, Any]) -> dict[str, Any]:
    """A question with answers to choose from as one that lists them, and the right one as its answer."""
    field = next(name for name in _CHOICES if name in row)
    asked = next((name for name in row if folded(name) in USUAL["prompt"] and isinstance(row[name], str)), None)
    said = next((name for name in row if folded(name) in _ANSWERS and filled(row[name])), None)
    choices = _choices(row[field])
    if asked is None or said is None or len(choices) < 2:
        return row
    right = _right(choices, row[said])
    if not right:
        return row
    lines = _lines(choices)
    left = {name: value for name, value in row.items() if name not in (field, said)}
    answer = said if folded(said) in _SAID - {"answers"} else "answer"
    return {**left, asked: _with_list(row[asked], lines), answer: lines[list(choices).index(right)]}


def _lines(choices: Mapping[str, str]) -> list[str]:
    """Each choice with its label, which they may all have already."""
    if all(re.match(rf"\W?{re.escape(label)}[.:)\]]", text) for label, text in choices.items()):
        return list(choices.values())
    return [f"{label}. {text}" for label, text in choices.items()]


def _with_list(asked: str, lines: list[str]) -> str:
    """The question with its choices below, where it doesn't list them itself."""
    plain = [{re.sub(r"\W+", " ", line).strip() for line in some} for some in (lines, asked.split("\n"))]
    return asked if plain[0] <= plain[1] else "\n".join([asked, "", *lines])


def _with_best(row: dict[str, Any]) -> dict[str, Any]:
    """A question with several answers and their scores as one with the best of them and the number of the others."""
    field = next(name for name in _SEVERAL if name in row)
    scored = _scored(row[field], next((row[name] for name in ("scores", "ratings", "rewards") if name in row), None))
    if any(folded(name) in _ANSWERS and name != field for name in row if filled(row[name])):
        return row
    if not scored:
        count = _other_answers(row[field]) if folded(field) in USUAL["answer"] else 0
        return {**row, f"other {field}": count} if count else row
    best = max(scored, key=lambda one: one[0])[1]
    others = {f"other {field}": len(scored) - 1} if len(scored) > 1 else {}
    return {**{name: value for name, value in row.items() if name != field}, "answer": best, **others}


def _other_answers(several: Any) -> int:
    """How many answers stand beside the first one, which is taken where nothing says which is the best."""
    several = several.get("text") if isinstance(several, Mapping) else several
    items = several if isinstance(several, list) else []
    return len({str(item.get("text") if isinstance(item, Mapping) else item) for item in items}) - 1 if items else 0


def _scored(items: Any, scores: Any) -> list[tuple[float, str]]:
    """Each answer with what it is worth; [] where that is not known of all of them."""
    if not isinstance(items, list) or not items:
        return []
    if isinstance(scores, list) and len(scores) == len(items):
        items = [{"answer": item, "score": score} for item, score in zip(items, scores, strict=True)]
    found = []
    for item in items:
        said = (
            next((item[name] for name in (*_SAID, "text", "content") if isinstance(item.get(name), str)), "")
            if isinstance(item, Mapping)
            else ""
        )
        worth = _worth(item) if said.strip() else None
        if worth is None:
            return []
        found.append((worth, said))
    return found


def _worth(item: Mapping[str, Any]) -> float | None:
    for names, sign in ((_SCORES, 1.0), (_RANKS, -1.0)):
        for name in names:
            if isinstance(item.get(name), int | float | str):
                return _number(item[name], sign)
    return None


def _number(value: float | str, sign: float) -> float | None:
    """A score, which tables have as text."""
    try:
        return sign * float(value)
    except ValueError:
        return None


def _choices(value: Any) -> dict[str, str]:
    """The answers to choose from by their letters; {} where they are none."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        labels = value.get("label")
        texts = value["text"]
        named = labels if isinstance(labels, list) and len(labels) == len(texts) else _letters(len(texts))
        return {str(label): str(text) for label, text in zip(named, texts, strict=True)}
    if isinstance(value, Mapping):
        return {str(label): text for label, text in value.items() if isinstance(text, str)}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return dict(zip(_letters(len(value)), value, strict=True))
    return {}


def _letters(count: int) -> list[str]:
    return [chr(ord("A") + place) for place in range(min(count, 26))] if count <= 26 else list(map(str, range(count)))


def _right(choices: Mapping[str, str], answer: Any) -> str:
    """The label of the right answer, which may be given by its number from 0, its letter or its text; "": unknown."""
    labels = list(choices)
    if isinstance(answer, int) and not isinstance(answer, bool):
        return labels[answer] if 0 <= answer < len(labels) else ""
    if str(answer).strip() in choices:
        return str(answer).strip()
    same = [label for label, text in choices.items() if text.strip() == str(answer).strip()]
    return same[0] if same else ""
