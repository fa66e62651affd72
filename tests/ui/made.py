"""Points, previews and runs made by hand, for tests of what the page draws."""

from __future__ import annotations

import math

from training_pro.data.preview import BlockPreview, TokenPreview
from training_pro.record.points import Point, PointColumns, Points

NASTY = '<img src=x onerror="alert(1)">&'


def points(losses: list[float], **more: float) -> Points:
    """A history with these losses."""
    columns = PointColumns()
    for number, loss in enumerate(losses, start=1):
        columns.add(
            Point(
                update=number,
                epoch=number / 10,
                loss=loss,
                smoothed_loss=loss,
                learning_rate=1e-4,
                **{"grad_norm": 1.0, "tokens_per_s": 100.0, "elapsed_s": float(number), "memory_mb": 500.0, **more},
            )
        )
    return columns.snapshot()


def preview(texts: list[str], trained: list[bool] | None = None, **more: object) -> BlockPreview:
    """A packed block whose tokens have these texts."""
    marks = trained or [True] * len(texts)
    tokens = tuple(TokenPreview(n, t, False, m) for n, (t, m) in enumerate(zip(texts, marks, strict=True)))
    values = {"number": 0, "source": "a.txt", "kind": "packed", "bos": False, "eos": False, "start": 0, "end": 100}
    return BlockPreview(text="".join(texts), tokens=tokens, **{**values, **more})


NAN = math.nan
