from typing import Any

import pytest

from tests.data.tiny import tiny_tokenizer
from training_pro.data.rendering.rendering import RenderedRow
from training_pro.data.row_encoding import ReadyRow, RowArrays
from training_pro.data.rows.bad_rows import BadRows
from training_pro.data.tokens import RowTokenizer
from training_pro.errors import DataError

HOST = tiny_tokenizer()
TOKENIZER = RowTokenizer(HOST)
BOS, EOS = HOST.bos_token_id, HOST.eos_token_id
TEN = "a b c d e f g h i j"  # a letter, then nine times a space with a letter


def ready(text: str, *spans: tuple[int, int], number: int = 1, bos: bool = False, eos: bool = False) -> ReadyRow:
    return ReadyRow(number, RenderedRow(text, spans, bos, eos, True), spans or None)


def arrays(max_tokens: int = 100, too_long: str = "trim", way: str = "stop") -> RowArrays:
    return RowArrays(TOKENIZER, max_tokens, too_long, BadRows("a.json", way))


def only(made: RowArrays) -> tuple[list[int], list[int]]:
    samples = made.samples("a.json")
    assert len(samples) == 1
    sample = samples[0]
    return sample["input_ids"].tolist(), sample["labels"].tolist()


def ids_of(text: str) -> list[int]:
    return list(HOST.encode(text, add_special_tokens=False))


def test_bos_and_eos_come_where_asked_and_bos_is_never_trained():
    made = arrays()
    made.add([ready("a b", bos=True, eos=True)])
    ids, labels = only(made)
    assert ids == [BOS, *ids_of("a b"), EOS]
    assert labels == [-100, *ids_of("a b"), EOS]


@pytest.mark.parametrize("text", ["<s>a b", "<s><s>a b", "<s><s><s>a b"])
def test_bos_is_there_once_however_often_it_was_written(text: str):
    made = arrays()
    made.add([ready(text, bos=True)])
    assert only(made)[0] == [BOS, *ids_of("a b")]


def test_an_eos_that_is_there_is_not_doubled():
    made = arrays()
    made.add([ready("a b</s>", eos=True)])
    assert only(made)[0] == [*ids_of("a b"), EOS]


def test_masks_move_with_the_tokens_that_are_put_before_them():
    made = arrays()
    made.add([ready("a b c", (4, 5), bos=True, eos=True)])
    ids, labels = only(made)
    assert labels == [-100] * (len(ids) - 2) + ids[-2:]


def test_the_mask_is_right_for_rows_of_any_length():
    made = arrays()
    texts = ["a " * count + "z z" for count in range(1, 20)]
    made.add([ready(text, (len(text) - 3, len(text)), number=i) for i, text in enumerate(texts)])
    samples = made.samples("a.json")
    for index, text in enumerate(texts):
        labels = samples[index]["labels"]
        assert [int(label) for label in labels if label >= 0] == ids_of(text)[-len(ids_of("z z")) :]
    assert samples.trained_counts.tolist() == [len(ids_of("z z"))] * len(texts)


def test_trimmed_rows_keep_the_eos_that_was_asked_for():
    made = arrays(max_tokens=6)
    made.add([ready(TEN, bos=True, eos=True)])
    ids, _ = only(made)
    assert ids == [BOS, *ids_of(TEN)[:4], EOS]
    assert made.counts.trimmed == 1 and made.counts.longest_tokens == len(ids_of(TEN)) + 2


def test_a_row_that_fits_exactly_is_not_touched():
    made = arrays(max_tokens=len(ids_of(TEN)) + 2)
    made.add([ready(TEN, bos=True, eos=True)])
    assert len(only(made)[0]) == len(ids_of(TEN)) + 2 and made.counts.trimmed == 0


@pytest.mark.parametrize("eos", [True, False])
@pytest.mark.parametrize("too_long", ["trim", "eliminate"])
def test_a_row_whose_trained_part_would_be_cut_off_is_left_out(too_long: str, eos: bool):
    made = arrays(max_tokens=6, too_long=too_long)
    made.add([ready(TEN, (len(TEN) - 1, len(TEN)), eos=eos)])
    assert len(made) == 0
    counts = made.counts
    assert (counts.eliminated_untrained, counts.eliminated_long) == ((1, 0) if too_long == "trim" else (0, 1))


def test_what_the_eos_pushes_out_does_not_count_as_left():
    offsets = TOKENIZER.encode([TEN], with_offsets=True)[0].offsets
    assert offsets is not None
    for place, left in ((4, 1), (5, 0)):  # 6 tokens: 5 of the text and the EOS
        made = arrays(max_tokens=6)
        made.add([ready(TEN, tuple(offsets[place].tolist()), eos=True)])
        assert len(made) == left


def test_stopping_at_a_long_row_names_it_and_its_size():
    with pytest.raises(DataError, match=r"a\.json, row 7: it has \d+ tokens.*maximum"):
        arrays(max_tokens=6, too_long="stop").add([ready(TEN, number=7)])


def test_eliminating_counts():
    made = arrays(max_tokens=6, too_long="eliminate")
    made.add([ready(TEN), ready("a b"), ready(TEN)])
    assert len(made) == 1 and made.counts.eliminated_long == 2


def test_a_row_without_anything_to_predict_is_bad():
    bad = BadRows("a.json", "skip")
    made = RowArrays(TOKENIZER, 100, "trim", bad)
    made.add([ready("a"), ready("a b", number=2)])
    assert len(made) == 1 and bad.count == 1


def test_half_characters_are_bad_rows_and_the_others_stay():
    bad = BadRows("a.json", "skip")
    made = RowArrays(TOKENIZER, 100, "trim", bad)
    made.add([ready("a b", number=1), ready("a \ud800", number=2), ready("c d", number=3)])
    assert made.samples("a").numbers.tolist() == [1, 3]
    assert "row 2" in bad.examples[0] and "d800" in bad.examples[0]


def test_numbers_stay_with_their_rows():
    made = arrays()
    made.add([ready("a b", number=5), ready("c d", number=9)])
    samples: Any = made.samples("a.json")
    assert [samples.preview(index).row for index in range(2)] == [5, 9]
