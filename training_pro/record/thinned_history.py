"""A long history for a picture: all its events and evaluations, and so many updates that its curve looks the same.

Of 100,000 updates the loss alone is looked at, and about `MOST` are read in full: a quarter of reading them all.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from training_pro.errors import RunError
from training_pro.record.history import HistoryData, Reading, read_history
from training_pro.record.points import extremes

MOST = 2000
_READ_WHOLE_BYTES = 500  # for each of the updates that are wanted, a file is read in full
BLOCK_BYTES = 262144
_LOSS = re.compile(rb'"loss": ([^,"]+), "smoothed_loss"')  # as we write an update; a loss that is no number has quotes
_SPECIAL = (b'vent": ', b'val_loss": ')  # ends of words that no other line has, which is quick to look for


def read_thinned(path: Path, most: int = MOST) -> HistoryData:
    """What a picture of the history at `path` needs, with some `most` updates; an absent file is an empty history.

    Guarantees: the first and the last update are there, the highest and the lowest loss, every event and evaluation.

    Raises:
        RunError: the file is there and can't be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _READ_WHOLE_BYTES * most:
                read = Reading()
                for block in _blocks(file):
                    read.take_lines(_kept(block, most * len(block) / size), None)
                return HistoryData(read.columns.snapshot(), tuple(read.events), read.torn_lines)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RunError(f"The history {path} can't be read ({error.strerror}); check the file.") from error
    return read_history(path)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces of whole lines; what is left after the last line comes by itself."""
    rest = b""
    while piece := file.read(BLOCK_BYTES):
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        if newline:
            yield whole + newline
    if rest:
        yield rest


def _kept(block: bytes, most: float) -> list[bytes]:
    """Some `most` of the updates, and all other lines, each after the update that it may belong to."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    special = set(np.searchsorted(ends, list(_places(block)), side="right").tolist())
    losses = _losses(block)
    if not len(ends) or len(losses) != len(ends) - len(special):  # torn, or no numbers: each line is looked at
        return io.BytesIO(block).readlines()
    updates = np.delete(np.arange(len(ends)), list(special))
    before = {place - 1 for place in special if place}
    chosen = {0, len(ends) - 1} | special | before | set(_outermost(updates, losses, most))
    begins = np.concatenate(([0], ends))
    return [block[begins[place] : ends[place]] for place in sorted(chosen)]


def _losses(block: bytes) -> NDArray[np.float64]:
    """The losses of the updates in the block; none where one of them is no number."""
    try:
        return np.array(list(map(float, _LOSS.findall(block))))
    except ValueError:
        return np.empty(0)


def _places(block: bytes) -> Iterator[int]:
    """Where a word of a special line stands."""
    for word in _SPECIAL:
        at = block.find(word)
        while at >= 0:
            yield at
            at = block.find(word, at + 1)


def _outermost(updates: NDArray[np.intp], losses: NDArray[np.float64], most: float) -> Iterable[int]:
    """Of equally many neighbours each the places of the lowest and the highest loss."""
    edges = np.linspace(0, len(losses), max(round(most / 2), 1) + 1).astype(int).tolist()
    for start, end in zip(edges, edges[1:], strict=False):
        if end > start:
            yield from (int(updates[start + place]) for place in extremes(losses[start:end]))
