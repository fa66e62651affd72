"""Frozen dataclasses as plain JSON values and back, for what crosses a process or a file; by pydantic.

The first use costs some 0.1 s (its import and the type's plan), each further one some 0.3 ms. NaN stays NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


_adapters: dict[Any, TypeAdapter[Any]] = {}  # made once for each type


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _adapters:
        from pydantic import TypeAdapter

        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def plain(value: Any) -> dict[str, Any]:
    """The dataclass as JSON values: paths as text, tuples as lists."""
    made: dict[str, Any] = _adapter(type(value)).dump_python(value, mode="json")
    return made


def value_from(kind: type[T], values: Any) -> T:
    """What `plain` was given. Names that `kind` doesn't know are left out.

    Raises:
        ValueError: the values don't make a `kind`; its text names the first that is wrong.
    """
    from pydantic import ValidationError

    try:
        made: T = _adapter(kind).validate_json(json.dumps(values), strict=True)
        return made
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or kind.__name__
        raise ValueError(f"{where}: {first['msg']}") from None


def salvaged(kind: type[T], values: Mapping[str, Any]) -> T:
    """As `value_from`, but with the defaults in place of the values that are wrong.

    Raises:
        ValueError: one without a default is wrong.
    """
    from pydantic import ValidationError

    try:
        made: T = _adapter(kind).validate_json(json.dumps(dict(values)), strict=True)
        return made
    except ValidationError as error:
        wrong = {str(fault["loc"][0]) for fault in error.errors(include_url=False) if fault["loc"]}
        return value_from(kind, {name: value for name, value in values.items() if name not in wrong})
