"""Samples that are the same as an earlier one, token by token, found by a digest of each.

Costs some 15 microseconds a sample, most of it to make its tokens.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from training_pro.data.samples import Flags, Indices, Samples
from training_pro.progress import Progress, no_progress

_REPORT_EVERY = 2000


def contents(samples: Samples, progress: Progress = no_progress) -> list[bytes]:
    """A digest of each sample's tokens.

    Raises:
        Cancelled: from `progress`.
    """
    found = []
    for index in range(len(samples)):
        if index % _REPORT_EVERY == 0:
            progress(index, len(samples), "Looking for duplicates")
        found.append(content(samples, index))
    return found


def content(samples: Samples, index: int) -> bytes:
    """The digest of one sample's tokens."""
    return blake2b(samples[index]["input_ids"].tobytes(), digest_size=12).digest()


def repeated(samples: Samples, chosen: Indices, seen: set[bytes], progress: Progress = no_progress) -> Flags:
    """Which of the `chosen` samples are the same as an earlier one or as one in `seen`, which takes in all of them."""
    flags = np.zeros(len(chosen), bool)
    for place, index in enumerate(chosen.tolist()):
        if place % _REPORT_EVERY == 0:
            progress(place, len(chosen), "Looking for duplicates")
        digest = content(samples, index)
        flags[place] = digest in seen
        seen.add(digest)
    return flags
