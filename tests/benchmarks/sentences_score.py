"""How well sentence borders are found: F1 over the cases of `tests/text/sentence_cases.jsonl`.

`python -m tests.benchmarks.sentences_score` prints one JSON line; `--errors` lists what is wrong. The borders inside a
case count, summed over all cases.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from training_pro.text.splitting.sentences import split_sentences

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


def _shown(case: dict[str, object], text: str, at: int) -> str:
    return f"{case['id']}: {text[max(0, at - 40) : at]!r} | {text[at : at + 30]!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--errors", action="store_true", help="list what is wrong")
    chosen = parser.parse_args()
    result = score(split_sentences, read_cases())
    figures = {"name": "sentences", "f1": round(result.f1, 4), "right": result.right}
    figures |= {"wrong": len(result.wrong), "missed": len(result.missed), "untiled": len(result.untiled)}
    sys.stdout.write(json.dumps(figures) + "\n")
    if chosen.errors:
        sys.stdout.writelines(f"wrong  {line}\n" for line in result.wrong)
        sys.stdout.writelines(f"missed {line}\n" for line in result.missed)


if __name__ == "__main__":
    main()
