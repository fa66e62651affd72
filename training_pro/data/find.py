"""Which sample a person wants to see: the longest, the shortest, the next one with some words in it."""

from __future__ import annotations

import numpy as np

from training_pro.data.samples import Samples
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
