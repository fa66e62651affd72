"""Dataclasses cross a process or a file and come back as they were."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from training_pro.values import plain, salvaged, value_from


@dataclass(frozen=True)
class Inner:
    at: Path
    loss: float = math.nan


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", "b"] = "a"
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    words: dict[str, str] = field(default_factory=dict)
    loss: float | None = None
    count: int = 0


OUTER = Outer("x", "b", Inner(Path("/a"), 1.5), (Inner(Path("b"), math.inf),), {"k": "v"}, 2.0, 3)


def test_it_comes_back_as_it_was() -> None:
    assert value_from(Outer, json.loads(json.dumps(plain(OUTER)))) == OUTER


def test_nan_stays_nan() -> None:
    assert math.isnan(value_from(Inner, plain(Inner(Path("/a")))).loss)


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "c"}, {"count": "3"}, {"count": True}, {"inner": {}}, {"many": 5}, {"name": None}, {"words": {"a": 1}}],
)
def test_a_wrong_value_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        value_from(Outer, {**plain(OUTER), **wrong})


def test_what_is_right_is_kept_beside_what_is_wrong() -> None:
    assert salvaged(Outer, {"name": "x", "count": "3", "kind": "z", "loss": 2.0, "unknown": 1}) == Outer("x", loss=2.0)
    with pytest.raises(ValueError, match="name"):
        salvaged(Outer, {"name": 5})


@pytest.mark.parametrize("values", [None, [], "x", 5])
def test_what_is_no_object_is_refused(values: object) -> None:
    with pytest.raises(ValueError):
        value_from(Outer, values)
