import pytest

from training_pro.data.rows.bad_rows import KEPT_EXAMPLES, SHOWN_CHARS, BadRows, beginning
from training_pro.errors import DataError


def test_stopping_gives_file_row_reason_beginning_and_the_way_out():
    with pytest.raises(DataError) as caught:
        BadRows("a.json", "stop").reject(7, "it is empty", {"text": "ä"})
    said = str(caught.value)
    assert said.startswith('a.json, row 7: it is empty (the row begins: {"text": "ä"}).')
    assert caught.value.options == ("--set bad_rows=skip",) and caught.value.setting == "bad_rows"


def test_skipping_counts_all_and_keeps_the_first_few():
    bad = BadRows("a.json", "skip")
    for number in range(1, 20):
        bad.reject(number, "it is empty", "x")
    assert bad.count == 19 and len(bad.examples) == KEPT_EXAMPLES and "row 1:" in bad.examples[0]


def test_a_break_ends_the_reading_and_says_how_many_rows_were_whole():
    with pytest.raises(DataError, match="a.json, row 3: it ends .* the 2 rows before it .*skip") as caught:
        BadRows("a.json", "stop").broken(3, "it ends", "")
    assert caught.value.options == ("--set bad_rows=skip",)
    bad = BadRows("a.json", "skip")
    bad.reject(1, "it is empty", "x")
    bad.broken(3, "it ends", "")
    assert bad.count == 2 and "the 1 row before it" in bad.examples[0]


def test_a_break_before_any_whole_row_is_an_error_whatever_the_setting():
    with pytest.raises(DataError, match="a.json, row 1: it ends"):
        BadRows("a.json", "skip").broken(1, "it ends", "")


def test_the_beginning_is_short_and_on_one_line():
    assert beginning("a\n\n b") == "a b"
    assert len(beginning({"text": "x" * 10_000})) == SHOWN_CHARS
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert beginning(deep) == "list"


def test_a_reason_with_a_long_name_of_several_lines_in_it_is_short_and_on_one_line():
    bad = BadRows("a.json", "skip")
    bad.reject(1, 'the key "a\nb' + "x" * 10_000 + '" appears twice', "x")
    assert "\n" not in bad.examples[0] and "a b" in bad.examples[0] and len(bad.examples[0]) < 500
