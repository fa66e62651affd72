"""The parts that ``make test`` cuts the tests into leave none out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_itemcollected

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("marks", "folder", "lost"),
    [
        ({"browser"}, "queue", True),
        ({"browser"}, "ui", False),
        ({"browser", "stress"}, "stress", False),
        ((), "", False),
    ],
)
def test_a_test_with_a_browser_lies_where_its_part_looks_for_it(marks: set[str], folder: str, lost: bool) -> None:
    item: Any = SimpleNamespace(
        nodeid="test_x", path=TESTS / folder / "test_x.py", get_closest_marker=lambda name: name in marks or None
    )
    if lost:
        with pytest.raises(pytest.UsageError, match="tests/ui"):
            pytest_itemcollected(item)
    else:
        pytest_itemcollected(item)


def test_each_test_is_in_one_part() -> None:
    makefile = TESTS.parent.joinpath("Makefile").read_text("utf-8")
    rest = '-m "not browser and not stress"'
    for part in ('-m "browser and not stress" tests/ui', f"{rest} --ignore=tests/card", f"{rest} tests/card"):
        assert makefile.count(f"/bin/python -m pytest {part}\n") == 1, part
