"""Samples kept back for evaluation, chosen before anything is shuffled, so that none of them is trained too.

Raw text: whole sections if some of them have about the share that is wanted, else packed blocks; whatever shares
text with an evaluation block is left out of training. Rows: each row's twins stay on its side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.data.fingerprint import digest
from training_pro.data.samples import Indices, Samples, TextSamples
from training_pro.errors import DataError
from training_pro.text.blocks.blocks import Places
from training_pro.text.blocks.packing import OVERLAP

TOLERANCE = 0.25  # how far whole sections may be from the share asked for, as a part of it
_NEAR_ENOUGH = 0.01
_DRAWS = 20_000  # sections looked at in all, while looking for those that fit best: some 10 ms


@dataclass(frozen=True)
class Parts:
    """Numbers of samples to train and to evaluate on, and of those in neither; `note` says what was held out."""

    train: Indices
    eval: Indices
    left_out: Indices
    note: str = ""


def hold_out(samples: Samples, chosen: Indices, percent: float, seed: int) -> Parts:
    """Parts of the `chosen` samples; about `percent` of them (of text: of its tokens) to evaluate on.

    Guarantees:
        No evaluation sample shares a character of text, or all its tokens, with a training sample.

    Raises:
        DataError: nothing would be left to train on.
    """
    generator = np.random.default_rng((seed, 1))
    if isinstance(samples, TextSamples):
        evaluation, train, note = _text_parts(samples, chosen, percent, generator)
    else:
        evaluation, train = _row_parts(samples, chosen, percent, generator)
        note = f"{len(evaluation)} of {len(chosen)} rows are held out for evaluation."
    if not len(train):
        raise DataError(
            f"Holding out {percent:g} % for evaluation leaves nothing to train on ({len(chosen)} samples). "
            "Hold out less or add data.",
            option=f"--set eval_percent={max(percent / 2, 0.5):g}",
            setting="eval_percent",
        )
    left_out = np.setdiff1d(chosen, np.concatenate([train, evaluation]), assume_unique=True)
    return Parts(train, evaluation, left_out, note)


def _row_parts(
    samples: Samples, chosen: Indices, percent: float, generator: np.random.Generator
) -> tuple[Indices, Indices]:
    count = max(1, round(len(chosen) * percent / 100))
    shuffled = generator.permutation(chosen)
    evaluation = np.sort(shuffled[:count])
    held = {_content(samples, int(index)) for index in evaluation}
    rest = np.sort(shuffled[count:])
    is_new = np.fromiter((_content(samples, int(index)) not in held for index in rest), bool, len(rest))
    return evaluation, rest[is_new]


def _content(samples: Samples, index: int) -> str:
    return digest(samples[index]["input_ids"].tobytes())


def _text_parts(
    samples: TextSamples, chosen: Indices, percent: float, generator: np.random.Generator
) -> tuple[Indices, Indices, str]:
    places = samples.blocks.places()
    tiles = _tiles(places, chosen)
    sections, sizes = places.sections[tiles], samples.lengths[tiles].astype(np.int64)
    held, found = _sections_for(sections, sizes, percent, generator)
    if len(held) and abs(found - percent) <= TOLERANCE * percent:
        what = f"{len(held)} of {len(np.unique(sections))} sections"
        evaluation = tiles[np.isin(sections, held)]
        train = chosen[~np.isin(places.sections[chosen], held)]
    else:
        count = max(1, round(len(tiles) * percent / 100))
        evaluation = np.sort(generator.permutation(tiles)[:count])
        train = chosen[~_touched(places, chosen, evaluation)]
        found = 100 * int(samples.lengths[evaluation].sum()) / max(int(sizes.sum()), 1)
        what = f"{count} of {len(tiles)} blocks (no choice of whole sections comes close to that share)"
    asked = f"{percent:g} % were asked for"
    return evaluation, train, f"Held out for evaluation: {what}, {found:.1f} % of the text's tokens; {asked}."


def _tiles(places: Places, chosen: Indices) -> Indices:
    """Of the chosen blocks those side by side: the packed ones, or DEMENTOR's windows that share no sentence."""
    found: list[int] = []
    last = -1
    candidates = chosen[places.kinds[chosen] != OVERLAP]
    for index, first_sentence in zip(candidates.tolist(), places.firsts[candidates].tolist(), strict=True):
        if first_sentence > last:
            found.append(index)
            last = int(places.lasts[index])
    return np.array(found, np.int64)


def _sections_for(
    sections: Indices, sizes: Indices, percent: float, generator: np.random.Generator
) -> tuple[Indices, float]:
    """Whole sections with as nearly `percent` of the tokens as can be found, never all, and the percentage they have.

    Of each tile its section and its size are given.
    """
    names, place = np.unique(sections, return_inverse=True)
    totals = np.bincount(place, weights=sizes).astype(np.float64)
    wanted = totals.sum() * percent / 100
    best, best_total = np.zeros(0, np.int64), 0.0
    for _ in range(max(1, _DRAWS // len(names))):
        held, total = _drawn(totals, wanted, generator)
        if abs(total - wanted) < abs(best_total - wanted):
            best, best_total = held, total
        if abs(best_total - wanted) <= _NEAR_ENOUGH * wanted:
            break
    return names[best], 100 * best_total / totals.sum()


def _drawn(totals: npt.NDArray[np.float64], wanted: float, generator: np.random.Generator) -> tuple[Indices, float]:
    """Places drawn at random, each kept if it brings the sum nearer to `wanted`; and their sum."""
    held: list[int] = []
    total = 0.0
    for place in generator.permutation(len(totals)).tolist():
        if abs(total + totals[place] - wanted) < wanted - total and len(held) + 1 < len(totals):
            held.append(place)
            total += totals[place]
        if total >= wanted:
            break
    return np.array(held, np.int64), total


def _touched(places: Places, chosen: Indices, evaluation: Indices) -> npt.NDArray[np.bool_]:
    """Which of the chosen blocks share a sentence with an evaluation block; those are in order and apart."""
    after = np.searchsorted(places.lasts[evaluation], places.firsts[chosen])  # the first that ends not before
    found = after < len(evaluation)
    nearest = evaluation[np.minimum(after, len(evaluation) - 1)]
    touched: npt.NDArray[np.bool_] = found & (places.firsts[nearest] <= places.lasts[chosen])
    return touched
