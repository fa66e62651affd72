from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.text.indexing import CUT, byte_encoder, indexed
from tests.text.tokenizer_zoo import encoder_of
from training_pro.errors import Cancelled
from training_pro.progress import no_progress
from training_pro.text.blocks.budget import Budget
from training_pro.text.blocks.indexed_text import Runs
from training_pro.text.blocks.packing import KINDS, Packer, Packing
from training_pro.text.tokenizing.encoding import TextEncoder

# Both give a token a byte; the second can't be parted, so that every run is counted by encoding it.
ENCODERS = {"parted": byte_encoder, "whole": lambda: encoder_of("Python")}


@pytest.fixture(params=list(ENCODERS))
def encoder(request: pytest.FixtureRequest) -> TextEncoder:
    return ENCODERS[request.param]()


def packer(text: str, encoder: TextEncoder, max_tokens: int, **around: bool) -> tuple[Packer, Runs]:
    runs = Runs(indexed([text], encoder))
    budget = Budget(max_tokens, **{"bos": False, "eos_inside": False, "eos_at_cut": False, **around})
    return Packer(runs, budget, no_progress), runs


def shown(packing: Packing, runs: Runs) -> list[str]:
    """Each run as its kind's first letter and its text."""
    found = zip(packing.kinds.tolist(), packing.firsts.tolist(), packing.lasts.tolist(), strict=True)
    return [f"{KINDS[kind][0]}: {runs.string(first, last)}" for kind, first, last in found]


def test_a_block_takes_as_many_whole_sentences_as_fit(encoder: TextEncoder) -> None:
    made, runs = packer(f"A bc. D ef. G hi. J kl. M no.{CUT}P qr.", encoder, 17)
    assert shown(made.packed(overlap=False), runs) == ["p: A bc. D ef. G hi.", "p: J kl. M no.", "p: P qr."]


def test_an_end_token_at_the_cut_takes_its_room_there_alone(encoder: TextEncoder) -> None:
    made, runs = packer("A bc. D ef. G hi. J kl.", encoder, 11, eos_at_cut=True)
    assert shown(made.packed(overlap=False), runs) == ["p: A bc. D ef.", "p: G hi.", "p: J kl."]


def test_an_overlap_starts_at_the_first_sentence_from_the_middle_on(encoder: TextEncoder) -> None:
    text = "A bc. D ef. G hi. J kl. M no. P qr. S tu."
    made, runs = packer(text, encoder, 23)
    assert shown(made.packed(overlap=True), runs) == [
        "p: A bc. D ef. G hi. J kl.",
        "o: J kl. M no. P qr. S tu.",
        "p: M no. P qr. S tu.",
    ]


def test_a_long_first_sentence_moves_the_middle(encoder: TextEncoder) -> None:
    made, runs = packer("Aaaa bbbb. Dd ee. Ff gg. Hh ii. Jj kk.", encoder, 24)
    assert shown(made.packed(overlap=True), runs) == [
        "p: Aaaa bbbb. Dd ee. Ff gg.",
        "o: Ff gg. Hh ii. Jj kk.",
        "p: Hh ii. Jj kk.",
    ]


def test_no_overlap_that_adds_nothing_or_crosses_a_cut(encoder: TextEncoder) -> None:
    single, runs = packer("Aaaa bbbb. Cccc dddd. Eeee ffff.", encoder, 12)
    assert [kind[0] for kind in shown(single.packed(overlap=True), runs)] == ["p", "p", "p"]
    apart, runs = packer(f"A bc. D ef.{CUT}G hi. J kl.", encoder, 12)
    assert [kind[0] for kind in shown(apart.packed(overlap=True), runs)] == ["p", "p"]


def test_a_window_starts_at_every_sentence_until_the_section_s_end_is_seen(encoder: TextEncoder) -> None:
    made, runs = packer(f"A bc. D ef. G hi. J kl.{CUT}M no. P qr.", encoder, 12)
    assert shown(made.windows(), runs) == [
        "w: A bc. D ef.",
        "w: D ef. G hi.",
        "w: G hi. J kl.",
        "w: M no. P qr.",
    ]


def test_a_window_that_ends_with_the_one_before_is_not_repeated(encoder: TextEncoder) -> None:
    made, runs = packer("Stop. Wait. Cccc dddd. Ee ff.", encoder, 22)
    assert shown(made.windows(), runs) == ["w: Stop. Wait. Cccc dddd.", "w: Cccc dddd. Ee ff."]


def test_a_window_inside_the_one_before_is_not_repeated(encoder: TextEncoder) -> None:
    """A run can take more tokens without its first words than with them, and then end earlier."""
    made, _ = packer("A bc. D ef. G hi. J kl.", encoder, 12)
    made._any = SimpleNamespace(longest=np.array([2, 1, 3, 3], np.int32), unsure=np.zeros(4, np.bool_))  # type: ignore[assignment]  # a stand-in
    windows = made.windows()
    assert (windows.firsts.tolist(), windows.lasts.tolist()) == ([0, 2], [2, 3])


def test_a_longer_run_of_fewer_ids_is_found() -> None:
    """Ids of the first one, two and three sentences: 3, 6 and 5."""
    far = np.zeros(3, dtype=np.int64)
    table = SimpleNamespace(sections=np.zeros(3, np.int64), head_cuts=far, tail_cuts=far)
    runs: Any = SimpleNamespace(
        text=SimpleNamespace(sentences=table, ids=np.arange(9)),
        before=np.array([0, 3, 4]),
        after=np.array([3, 6, 5]),
        is_last=np.array([False, False, True]),
        is_end=np.ones(3, dtype=bool),
        has_bos=np.zeros(3, dtype=bool),
        has_eos=np.zeros(3, dtype=bool),
        readable=lambda firsts, lasts: np.ones(len(firsts), dtype=np.bool_),
    )
    packing = Packer(runs, Budget(5, False, False, False), no_progress).packed(overlap=False)
    assert (packing.firsts.tolist(), packing.lasts.tolist()) == ([0], [2])


def test_what_packing_counts_is_sentences_and_all_of_them_in_the_end() -> None:
    told: list[tuple[int, int, str]] = []
    runs = Runs(indexed(["A bc. D ef. G hi."], byte_encoder()))
    Packer(runs, Budget(20, False, False, False), lambda *now: told.append(now)).packed(overlap=False)
    assert told == [(0, 3, "Packing sentences"), (3, 3, "Packing sentences")]


def test_packing_can_be_cancelled() -> None:
    def cancel(done: int, total: int, what: str) -> None:
        raise Cancelled

    runs = Runs(indexed(["A bc. D ef."], byte_encoder()))
    made = Packer(runs, Budget(9, False, False, False), cancel)
    with pytest.raises(Cancelled):
        made.packed(overlap=True)


def test_nothing_packs_to_nothing(encoder: TextEncoder) -> None:
    made, _ = packer("", encoder, 16)
    assert len(made.packed(overlap=True).firsts) == len(made.windows().firsts) == 0
