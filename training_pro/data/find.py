"""Which sample a person wants to see: the longest, the shortest, the next of a kind, the next with some words in it.

All but the search for words cost milliseconds for a million samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training_pro.data.samples import KINDS, Samples
from training_pro.progress import Progress, no_progress

_REPORT_EVERY = 500


def longest(samples: Samples) -> int:
    """The number of the sample with most tokens, the first of several."""
    return int(np.argmax(samples.lengths))


def shortest(samples: Samples) -> int:
    """The number of the sample with fewest tokens, the first of several."""
    return int(np.argmin(samples.lengths))


def least_trained(samples: Samples) -> int:
    """The number of the sample with the smallest share of trained tokens, the first of several."""
    return int(np.argmin(samples.trained_counts / np.maximum(samples.lengths, 1)))


def next_of_kind(samples: Samples, here: int, step: int, kind: str = "") -> int | None:
    """The next sample of `kind` (of any for ""), forward or backward as `step` is 1 or -1; goes round.

    `here` itself if it is the only one; None if there is none.
    """
    if not kind:
        return (here + step) % len(samples) if len(samples) else None
    return _next(samples.kinds == KINDS.index(kind), here, step)


def next_split(samples: Samples, here: int, step: int = 1) -> int | None:
    """The next sample with a piece of a sentence that was too long for a block; as `next_of_kind`."""
    return _next(samples.is_split, here, step)


def _next(wanted: npt.NDArray[np.bool_], here: int, step: int) -> int | None:
    places = np.flatnonzero(wanted)
    if not len(places):
        return None
    if step > 0:
        return int(places[np.searchsorted(places, here, side="right") % len(places)])
    return int(places[np.searchsorted(places, here, side="left") - 1])


def next_with(samples: Samples, words: str, after: int = -1, progress: Progress = no_progress) -> int | None:
    """The next sample past number `after` that holds `words`, upper and lower case alike; goes round once.

    Costs up to one decoding of every sample; None if there is none.

    Raises:
        Cancelled: from `progress`.
    """
    wanted = words.casefold()
    for step in range(1, len(samples) + 1):
        index = (after + step) % len(samples)
        if wanted in samples.text(index).casefold():
            return index
        if step % _REPORT_EVERY == 0:
            progress(step, len(samples), "Searching")
    return None
