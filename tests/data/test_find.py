from typing import Any

import numpy as np
import pytest

from tests.data.chat_templates import CHATML
from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.find import least_trained, longest, next_of_kind, next_split, next_with, shortest
from training_pro.data.prepare import prepare
from training_pro.data.samples import Samples
from training_pro.errors import Cancelled
from training_pro.folders import Folders
from training_pro.settings import Settings


@pytest.fixture
def samples(folders: Folders) -> Samples:
    (folders.datasets / "a.txt").write_text("The FOX ran.\n\n\nThe hen.\n\n\nThe goat ran to the river and sat.")
    write_rows(folders, "a.jsonl", [chat("Who ran?", "The fox."), chat("What did the goat do, and where?" * 3, "Sat.")])
    settings = Settings(text_file="a.txt", dataset="a.jsonl", hybrid=True, loss_on="assistant")
    return prepare(settings, tiny_tokenizer(CHATML), folders).train


def test_extremes(samples: Samples):
    assert (longest(samples), shortest(samples), least_trained(samples)) == (4, 1, 4)


def test_searching_goes_on_from_the_last_place_and_round(samples: Samples):
    found = [next_with(samples, "fox"), next_with(samples, "Fox", 0), next_with(samples, "fox", 3)]
    assert found == [0, 3, 0]
    assert next_with(samples, "hen", 1) == 1
    assert next_with(samples, "elephant") is None


def test_text_is_what_the_preview_shows(samples: Samples):
    assert [samples.text(index) for index in range(5)] == [samples.preview(index).text for index in range(5)]


def test_a_long_search_can_be_cancelled(samples: Samples, monkeypatch: pytest.MonkeyPatch):
    def stop(done: int, total: int, what: str) -> None:
        raise Cancelled

    monkeypatch.setattr("training_pro.data.find._REPORT_EVERY", 2)
    with pytest.raises(Cancelled):
        next_with(samples, "elephant", progress=stop)


KINDS_HERE = ["packed", "packed", "packed", "row", "row"]


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("kind", ["", "packed", "row"])
def test_the_next_of_a_kind_is_the_one_that_walking_finds(samples: Samples, kind: str, step: int):
    assert [samples.preview(index).kind for index in range(5)] == KINDS_HERE
    for here in range(5):
        walk = [(here + step * count) % 5 for count in range(1, 6)]
        assert next_of_kind(samples, here, step, kind) == next(i for i in walk if kind in ("", KINDS_HERE[i]))


def test_there_may_be_none_of_a_kind(samples: Samples):
    assert next_of_kind(samples, 0, 1, "window") is None
    assert next_split(samples, 0) is None


@pytest.mark.parametrize("dementor", [False, True])
def test_split_blocks_are_those_with_a_piece_of_a_long_sentence(dementor: bool, folders: Folders):
    long = "and the fox ran on, " * 30
    sentences = ["The hen sat.", "The goat slept.", f"So {long}home.", "It was night.", "All was well."]
    (folders.datasets / "a.txt").write_text(" ".join(sentences))
    settings = Settings(text_file="a.txt", max_tokens=32, dementor=dementor)
    train = prepare(settings, tiny_tokenizer(), folders).train
    texts = [train.text(index) for index in range(len(train))]
    assert train.is_split.tolist() == [" fox" in text or "So" in text or "home" in text for text in texts]
    first, last = np.flatnonzero(train.is_split)[[0, -1]]
    assert 0 < first < last and next_split(train, -1) == first and next_split(train, int(last)) == first
    assert next_split(train, int(first), -1) == last


def test_a_million_samples_are_searched_at_once():
    """Nothing is asked of a single sample."""

    class Many:
        kinds = np.tile(np.array([0, 1], np.uint8), 500_000)
        is_split = np.zeros(1_000_000, bool)

        def __len__(self) -> int:
            return 1_000_000

    Many.is_split[999_999] = True
    many: Any = Many()
    assert next_of_kind(many, 0, 1, "packed") == 2 and next_of_kind(many, 0, -1, "packed") == 999_998
    assert next_split(many, 0) == 999_999
