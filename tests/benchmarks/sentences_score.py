"""How well sentence borders are found: F1 over the cases of `tests/text/sentence_cases.jsonl`.

`python -m tests.benchmarks.sentences_score` prints one JSON line for sentencex alone, one for ours and one for
ours without sentencex; `--errors` lists what ours gets wrong. The borders inside a case count, summed over all cases.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from unittest.mock import patch

import sentencex

from training_pro.text.splitting import sentences as ours

CASES = Path(__file__).parents[1] / "text" / "sentence_cases.jsonl"
Splitter = Callable[[str], list[str]]


@dataclass
class Score:
    """Borders found and missed, and where; `untiled`: ids of cases whose pieces don't give the text back."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    untiled: list[str] = field(default_factory=list)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, 2 * self.right + len(self.wrong) + len(self.missed))


def read_cases() -> list[dict[str, object]]:
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def score(splitter: Splitter, cases: list[dict[str, object]]) -> Score:
    total = Score()
    for case in cases:
        marked = [str(sentence) for sentence in case["sentences"]]
        text = "".join(marked)
        pieces = splitter(text)
        if "".join(pieces) != text:
            total.untiled.append(str(case["id"]))
        expected = set(accumulate(map(len, marked[:-1])))
        found = set(accumulate(map(len, pieces[:-1])))
        total.right += len(expected & found)
        total.wrong += [_shown(case, text, at) for at in sorted(found - expected)]
        total.missed += [_shown(case, text, at) for at in sorted(expected - found)]
    return total


def sentencex_alone(text: str) -> list[str]:
    """sentencex told the language of nothing; its separate paragraph breaks joined to the sentence before."""
    pieces: list[str] = []
    for piece in sentencex.segment("en", text):
        if pieces and not piece.strip():
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


def without_sentencex(text: str) -> list[str]:
    with patch.object(ours, "_engine", None):
        return ours.split_sentences(text)


SPLITTERS: dict[str, Splitter] = {
    "sentencex": sentencex_alone,
    "ours": ours.split_sentences,
    "fallback": without_sentencex,
}


def _shown(case: dict[str, object], text: str, at: int) -> str:
    return f"{case['id']}: {text[max(0, at - 40) : at]!r} | {text[at : at + 30]!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--errors", choices=list(SPLITTERS), help="list this splitter's errors")
    chosen = parser.parse_args()
    cases = read_cases()
    for name, splitter in SPLITTERS.items():
        result = score(splitter, cases)
        figures = {"name": f"sentences_{name}", "f1": round(result.f1, 4), "right": result.right}
        figures |= {"wrong": len(result.wrong), "missed": len(result.missed), "untiled": len(result.untiled)}
        sys.stdout.write(json.dumps(figures) + "\n")
        if name == chosen.errors:
            sys.stdout.writelines(f"wrong  {line}\n" for line in result.wrong)
            sys.stdout.writelines(f"missed {line}\n" for line in result.missed)


if __name__ == "__main__":
    main()
