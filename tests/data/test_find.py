import pytest

from tests.data.chat_templates import CHATML
from tests.data.rows import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.find import least_trained, longest, next_with, shortest
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
