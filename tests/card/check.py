"""What one check found: a JSON line for programs, a table for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Where = Literal["fake", "card"]


@dataclass(frozen=True)
class Found:
    """`value` against `bar`; `ok` is None where this machine can't tell."""

    name: str
    value: float | str
    bar: str
    ok: bool | None
    where: Where

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps({"name": self.name, "value": self.value, "bar": self.bar, "ok": self.ok, "where": self.where})


Check = Callable[[], Iterable[Found]]


def at_most(name: str, value: float, bar: float, unit: str = "", where: Where = "fake") -> Found:
    """A value that must not be larger than its bar."""
    return Found(name, round(value, 4), f"at most {bar:g}{f' {unit}' if unit else ''}", value <= bar, where)


def same(name: str, value: str, wanted: str, where: Where = "fake") -> Found:
    """A value that must be this."""
    return Found(name, value, wanted, value == wanted, where)


def table(found: Iterable[Found]) -> Iterator[str]:
    """The same for people."""
    words = {True: "passed", False: "FAILED", None: "not run"}
    yield f"{'check':34} {'value':>12}  {'bar':24} {'result':12} where"
    for one in found:
        yield f"{one.name:34} {one.value!s:>12}  {one.bar:24} {words[one.ok]:12} {one.where}"
