from __future__ import annotations

from pathlib import Path

from training_pro.record.votes import Vote, add_vote, read_votes, tallies


def test_votes_are_kept_in_order_and_counted_for_those_who_met(tmp_path: Path) -> None:
    assert read_votes(tmp_path) == []
    votes = [
        Vote(("base", "sea"), "sea", "Hello"),
        Vote(("sea", "base"), "", "Hello"),
        Vote(("base", "hill"), "base", "Hello"),
    ]
    for vote in votes:
        add_vote(tmp_path, vote)
    assert read_votes(tmp_path) == votes
    first, second = tallies(read_votes(tmp_path))
    assert (first.voices, first.wins, first.same, first.votes) == (("base", "sea"), (0, 1), 1, 2)
    assert (second.voices, second.wins, second.same) == (("base", "hill"), (1, 0), 0)
