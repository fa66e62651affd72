"""Samples kept back for evaluation, chosen before anything is shuffled, so that none of them is trained too.

Raw text: whole sections if there are enough of them, else packed blocks; whatever shares text with an
evaluation block is left out of training. Rows: each row's twins stay on its side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.data.fingerprint import digest
from training_pro.data.samples import Indices, Samples, TextSamples
from training_pro.errors import DataError
from training_pro.text.blocks import Places
from training_pro.text.packing import OVERLAP

MIN_SECTIONS = 10
TOLERANCE = 0.25  # how far whole sections may exceed the share asked for


@dataclass(frozen=True)
class Parts:
    """Numbers of samples to train and to evaluate on; `left_out` of them are in neither."""

    train: Indices
    eval: Indices
    left_out: int


def hold_out(samples: Samples, chosen: Indices, percent: float, seed: int) -> Parts:
    """Parts of the `chosen` samples; about `percent` of them (of text: of its tokens) to evaluate on.

    Guarantees:
        No evaluation sample shares a character of text, or all its tokens, with a training sample.

    Raises:
        DataError: nothing would be left to train on.
    """
    generator = np.random.default_rng((seed, 1))
    if isinstance(samples, TextSamples):
        evaluation, train = _text_parts(samples, chosen, percent, generator)
    else:
        evaluation, train = _row_parts(samples, chosen, percent, generator)
    if not len(train):
        raise DataError(
            f"Holding out {percent:g} % for evaluation leaves nothing to train on ({len(chosen)} samples); "
            "hold out less or add data."
        )
    return Parts(train, evaluation, len(chosen) - len(train) - len(evaluation))


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
) -> tuple[Indices, Indices]:
    places = samples.blocks.places()
    tiles = _tiles(places, chosen)
    sections = places.sections[tiles]
    if len(np.unique(sections)) >= max(MIN_SECTIONS, math.ceil(100 / percent)):
        sizes = samples.lengths[tiles].astype(np.int64)
        held = _sections_for(sections, sizes, percent, generator)
        return tiles[np.isin(sections, held)], chosen[~np.isin(places.sections[chosen], held)]
    count = max(1, round(len(tiles) * percent / 100))
    evaluation = np.sort(generator.permutation(tiles)[:count])
    return evaluation, chosen[~_touched(places, chosen, evaluation)]


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
) -> npt.NDArray[np.int64]:
    """Whole sections with about `percent` of the tokens; of each tile its section and its size are given."""
    names, place = np.unique(sections, return_inverse=True)
    totals = np.bincount(place, weights=sizes)
    wanted = totals.sum() * percent / 100
    held: list[int] = []
    total = 0.0
    for position in generator.permutation(len(names)).tolist():
        if not held or total + totals[position] <= (1 + TOLERANCE) * wanted:
            held.append(int(names[position]))
            total += totals[position]
        if total >= wanted:
            break
    return np.array(held, np.int64)


def _touched(places: Places, chosen: Indices, evaluation: Indices) -> npt.NDArray[np.bool_]:
    """Which of the chosen blocks share a sentence with an evaluation block; those are in order and apart."""
    after = np.searchsorted(places.lasts[evaluation], places.firsts[chosen])  # the first that ends not before
    found = after < len(evaluation)
    nearest = evaluation[np.minimum(after, len(evaluation) - 1)]
    touched: npt.NDArray[np.bool_] = found & (places.firsts[nearest] <= places.lasts[chosen])
    return touched
