"""The ways through the code are what DESIGN says: from the file to the batch, room after room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.walks import Walk, row_to_mask, text_to_batch
from training_pro.folders import Folders
from training_pro.hosts.host import LoadedModel


@pytest.mark.parametrize("walked", [text_to_batch, row_to_mask])
def test_a_way_begins_in_data_and_ends_in_the_batch(
    walked: Callable[[Folders, Any], Walk], folders: Folders, tiny_model: LoadedModel
) -> None:
    walk = walked(folders, tiny_model.tokenizer)
    print(walk)  # noqa: T201 - to be seen with pytest -s
    assert walk.files[0] == "data/prepare.py"
    assert walk.files.index("training/loop/batches.py") > walk.files.index("data/samples.py")
    assert ("training/loop/batches.py", "pad") in walk.steps
    assert {file.split("/")[0] for file in walk.files if "/" in file} <= {"data", "text", "record", "training"}


def test_a_jump_back_is_a_return_to_a_file_that_was_left() -> None:
    steps = [("a.py", "one"), ("b.py", "two"), ("b.py", "three"), ("a.py", "four"), ("c.py", "five"), ("a.py", "six")]
    walk = Walk("there and back", steps)
    assert (walk.files, walk.jumps_back) == (["a.py", "b.py", "c.py"], 2)
