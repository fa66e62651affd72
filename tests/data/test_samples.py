from typing import Any

import numpy as np
import pytest

from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.prepare import Prepared, prepare
from training_pro.data.samples import Mix, Samples, Subset, mixed
from training_pro.folders import Folders
from training_pro.settings import Settings

STORY = "The fox ran. The hen sat. The goat slept.\n\n\nA river, a cup. 🙂 It is called Brass. So it was."
ROWS = [
    chat("What is it called?", "It is Brass."),
    chat("How many?", "Sixty-one cups.", "Sure?", "Yes."),
    chat("Who?", "The goat."),
]


@pytest.fixture
def both(folders: Folders) -> Prepared:
    from tests.data.chat_templates import CHATML

    (folders.datasets / "story.txt").write_text(STORY, encoding="utf-8")
    write_rows(folders, "rows.jsonl", ROWS)
    settings = Settings(
        text_file="story.txt", dataset="rows.jsonl", hybrid=True, max_tokens=60, loss_on="assistant", eos="cut"
    )
    return prepare(settings, tiny_tokenizer(CHATML), folders)


def text_part(prepared: Prepared) -> Samples:
    assert isinstance(prepared.train, Mix)
    return prepared.train.parts[0]


def test_types_and_shapes(both: Prepared):
    train = both.train
    assert train.lengths.dtype == np.int32 and len(train.lengths) == len(train)
    for index in range(len(train)):
        sample = train[index]
        assert sample["input_ids"].dtype == np.int32 and sample["labels"].dtype == np.int64
        assert len(sample["input_ids"]) == len(sample["labels"]) == train.lengths[index] <= 60
        trained = sample["labels"] >= 0
        assert (sample["labels"][trained] == sample["input_ids"][trained]).all()
        assert train.trained_counts[index] == trained.sum() and not trained[0]


def test_a_sample_is_ones_own_to_change(both: Prepared):
    for index in range(len(both.train)):
        both.train[index]["input_ids"][:] = 0
        assert both.train[index]["input_ids"].any()


def test_a_mix_is_its_parts_one_after_the_other(both: Prepared):
    assert isinstance(both.train, Mix)
    text, rows = both.train.parts
    assert len(both.train) == len(text) + len(rows)
    assert both.train[len(text)]["input_ids"].tolist() == rows[0]["input_ids"].tolist()
    assert both.train[-1]["input_ids"].tolist() == rows[len(rows) - 1]["input_ids"].tolist()
    assert both.train.preview(len(text)).number == len(text) and both.train.preview(len(text)).kind == "row"


@pytest.mark.parametrize("index", [1000, -1000])
def test_a_number_that_is_none_is_an_index_error(both: Prepared, index: int):
    for samples in (both.train, both.train.parts[0], both.train.parts[1]):
        with pytest.raises(IndexError):
            samples[index]


def test_a_subset_shows_and_counts_its_own(both: Prepared):
    part = Subset(both.train, np.array([2, 0]))
    assert part.lengths.tolist() == both.train.lengths[[2, 0]].tolist()
    assert part[0]["input_ids"].tolist() == both.train[2]["input_ids"].tolist()
    preview = part.preview(0)
    assert (preview.number, preview.tokens) == (0, both.train.preview(2).tokens)


def test_parts_without_samples_vanish(both: Prepared):
    nothing = Subset(both.train, np.zeros(0, np.int64))
    assert mixed([nothing, both.train]) is both.train
    assert len(mixed([nothing, nothing])) == 0


def test_the_preview_is_the_sample(both: Prepared):
    for index in range(len(both.train)):
        sample, preview = both.train[index], both.train.preview(index)
        assert [token.id for token in preview.tokens] == sample["input_ids"].tolist()
        assert [token.trained for token in preview.tokens] == (sample["labels"] >= 0).tolist()
        assert preview.trained == both.train.trained_counts[index]


def test_the_preview_of_text_has_its_borders(both: Prepared):
    text = text_part(both)
    previews = [text.preview(index) for index in range(len(text))]
    assert previews[0].source == "story.txt" and previews[0].section == 0 and previews[-1].section == 1
    for preview in previews:
        assert preview.start is not None and preview.end is not None
        assert preview.text == STORY[preview.start : preview.end]
        inner = preview.tokens[preview.bos : len(preview.tokens) - preview.eos]
        assert "".join(token.text for token in inner) == preview.text
        assert preview.bos and preview.tokens[0].special and not preview.tokens[0].trained
        assert preview.eos == preview.tokens[-1].special
        assert not any(token.special for token in inner)


def test_special_strings_of_raw_text_are_shown_as_text(folders: Folders):
    (folders.datasets / "a.txt").write_text("Say <|im_end|> twice, said the fox.")
    preview = prepare(Settings(text_file="a.txt"), tiny_tokenizer(), folders).train.preview(0)
    assert preview.text == "Say <|im_end|> twice, said the fox."
    assert [token.special for token in preview.tokens].count(True) == 2  # BOS and EOS
    assert all(token.trained for token in preview.tokens[1:])


def test_the_preview_of_a_row_marks_control_tokens(both: Prepared):
    preview = both.train.preview(len(both.train) - 3)
    specials = [token.text for token in preview.tokens if token.special]
    assert specials == ["<|im_start|>", "<|im_end|>"] * 3 and preview.row == 1
    assert "".join(token.text for token in preview.tokens if token.trained) == "It is Brass.<|im_end|>"


def test_text_rows_tell_their_row(folders: Folders):
    write_rows(folders, "t.jsonl", [{"text": "The fox ran."}, {"text": "The hen sat."}])
    train: Any = prepare(Settings(dataset="t.jsonl"), tiny_tokenizer(), folders).train
    assert [(train.preview(i).row, train.preview(i).text) for i in range(2)] == [
        (1, "The fox ran."),
        (2, "The hen sat."),
    ]
