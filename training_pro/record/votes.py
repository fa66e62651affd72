"""Which of several answers a person found better without knowing whose they were: a list kept with the run.

A vote names all who answered and the best of them ("" where none was better). Adding one rewrites a small file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from training_pro.errors import RunError
from training_pro.record.whole_files import write_json_whole
from training_pro.small_files import json_in
from training_pro.words import reason_of, utc_now

VOTES_FILE = "training_votes.json"


@dataclass(frozen=True)
class Vote:
    """`voices` are the names of those who answered, in no order that means anything."""

    voices: tuple[str, ...]
    best: str
    prompt: str
    at: str = field(default_factory=utc_now)


@dataclass(frozen=True)
class Tally:
    """How often each of `voices` was found best, and how often none was."""

    voices: tuple[str, ...]
    wins: tuple[int, ...]
    same: int

    @property
    def votes(self) -> int:
        return sum(self.wins) + self.same


def add_vote(run: Path, vote: Vote) -> None:
    """Keep `vote` with the run.

    Raises:
        RunError: the file there is no list of votes, or the disk refuses.
    """
    write_json_whole(run / VOTES_FILE, [asdict(one) for one in (*read_votes(run), vote)])


def read_votes(run: Path) -> list[Vote]:
    """The votes kept with the run, the oldest first.

    Raises:
        RunError: the file is there and can't be read.
    """
    path = run / VOTES_FILE
    try:
        found = json_in(path)
        return [
            Vote(tuple(map(str, row["voices"])), str(row["best"]), str(row["prompt"]), str(row["at"])) for row in found
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"The votes in {path} can't be read ({reason_of(error)}). Correct or delete the file.") from None


def tallies(votes: Iterable[Vote]) -> list[Tally]:
    """The counts, one for each group of voices that were compared with each other."""
    groups: dict[frozenset[str], list[Vote]] = {}
    for vote in votes:
        groups.setdefault(frozenset(vote.voices), []).append(vote)
    return [_tally(group[0].voices, group) for group in groups.values()]


def _tally(voices: Sequence[str], votes: Sequence[Vote]) -> Tally:
    best = Counter(vote.best for vote in votes)
    names = tuple(sorted(voices))
    wins = tuple(best[name] for name in names)
    return Tally(names, wins, len(votes) - sum(wins))
