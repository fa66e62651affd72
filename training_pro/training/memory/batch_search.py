"""How the largest batch is looked for: by trying where too much raises, by extrapolating where it kills. Pure."""

from __future__ import annotations

from collections.abc import Callable


def largest_by_trying(fits: Callable[[int], bool], most: int) -> int:
    """The largest size up to `most` that fits, 0 if not even 1 does; `fits` is asked about log2 times twice.

    Doubles until a size does not fit, then halves the gap between the last that did and the first that did not.
    """
    good, size = 0, 1
    while size <= most and fits(size):
        good, size = size, size * 2
    bad = min(size, most + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good


def largest_by_extrapolating(taken: Callable[[int], int], expected_of_one: int, limit_bytes: int, most: int) -> int:
    """The largest size up to `most` that should stay within `limit_bytes`; 0 if not even 1 does.

    `taken(size)` really tries a size and gives its peak in bytes. It is asked about 1, 2 and 4, and about none of
    which it is to be feared (by `expected_of_one`, then by what was measured) that it would pass the limit. Memory is
    a line in the size; of the slopes seen, the steepest counts.
    """
    if expected_of_one > limit_bytes:
        return 0
    peaks = {1: taken(1)}
    slope = float(peaks[1])  # as if nothing of it were needed only once
    for size in (2, 4):
        before = size // 2
        if size > most or peaks[before] + slope * (size - before) > limit_bytes:
            break
        peaks[size] = taken(size)
        steepness = (peaks[size] - peaks[before]) / (size - before)
        slope = max(steepness, 1.0) if size == 2 else max(slope, steepness)
    largest = max(peaks)
    if peaks[largest] > limit_bytes:
        return max((size for size in peaks if peaks[size] <= limit_bytes), default=0)
    return min(most, largest + int((limit_bytes - peaks[largest]) / slope))
