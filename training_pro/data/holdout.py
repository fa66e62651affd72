"""Samples kept back for evaluation, chosen before anything is shuffled, so that none of them is trained too.

Raw text: whole sections if there are enough of them, else packed blocks; whatever shares text with an
evaluation block is left out of training. Rows: each row's twins stay on its side.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from training_pro.data.fingerprint import digest
from training_pro.data.samples import Indices, Samples, TextSamples
from training_pro.errors import DataError
from training_pro.text.blocks import Block

MIN_SECTIONS = 10


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
    blocks = {int(index): samples.blocks.block(int(index)) for index in chosen}
    sections: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, block in blocks.items():
        sections[block.document, block.section].append(index)
    tiles = {place: _tiles(blocks, members) for place, members in sections.items()}
    if len(sections) >= max(MIN_SECTIONS, math.ceil(100 / percent)):
        held = _sections_for(tiles, blocks, percent, generator)
        evaluation = [index for place in held for index in tiles[place]]
        train = [index for place, members in sections.items() if place not in held for index in members]
    else:
        everywhere = np.array(sorted(index for members in tiles.values() for index in members))
        count = max(1, round(len(everywhere) * percent / 100))
        evaluation = [int(index) for index in generator.permutation(everywhere)[:count]]
        train = _apart_from(blocks, sections, set(evaluation))
    return np.array(sorted(evaluation), np.int64), np.array(sorted(train), np.int64)


def _tiles(blocks: dict[int, Block], members: list[int]) -> list[int]:
    """Blocks of one section that don't share text: the packed ones, or windows side by side."""
    found: list[int] = []
    end = -1
    for index in members:
        block = blocks[index]
        if block.kind != "overlap" and block.start >= end:
            found.append(index)
            end = block.end
    return found


def _sections_for(
    tiles: dict[tuple[int, int], list[int]],
    blocks: dict[int, Block],
    percent: float,
    generator: np.random.Generator,
) -> set[tuple[int, int]]:
    """Whole sections with about `percent` of the tokens."""
    places = list(tiles)
    sizes = {place: sum(blocks[index].tokens for index in members) for place, members in tiles.items()}
    wanted = sum(sizes.values()) * percent / 100
    held: set[tuple[int, int]] = set()
    total = 0
    for position in generator.permutation(len(places)):
        place = places[int(position)]
        if tiles[place] and (not held or total + sizes[place] <= 1.25 * wanted):
            held.add(place)
            total += sizes[place]
        if total >= wanted:
            break
    return held


def _apart_from(
    blocks: dict[int, Block], sections: dict[tuple[int, int], list[int]], evaluation: set[int]
) -> list[int]:
    """The blocks that share no text with an evaluation block of their section."""
    train: list[int] = []
    for members in sections.values():
        held = sorted((blocks[index].start, blocks[index].end) for index in members if index in evaluation)
        starts, ends = np.array([s for s, _ in held]), np.array([e for _, e in held])
        for index in members:
            block = blocks[index]
            after = int(np.searchsorted(ends, block.start, side="right"))  # the first that ends after the start
            if after == len(held) or starts[after] >= block.end:
                train.append(index)
    return train
