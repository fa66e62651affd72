import pytest

from training_pro.data.rendering.rendering import LossPlace, RenderedRow, loss_place, trained_spans
from training_pro.data.rows.bad_rows import RowFault
from training_pro.errors import DataError

ROW = RenderedRow("Q: a\nA: b\nA: c", ((8, 9), (13, 14)), True, True, True)


def test_the_places_where_loss_counts():
    assert trained_spans(ROW, LossPlace("all")) is None
    assert trained_spans(ROW, LossPlace("assistant")) == ROW.answers
    assert trained_spans(ROW, LossPlace("after", ("A:",))) == ((7, 14),)


def test_the_first_way_to_read_the_string_that_occurs_is_taken():
    place = loss_place("after", "a\\nA:")
    assert place.needles == ("a\\nA:", "a\nA:")
    assert trained_spans(ROW, place) == ((7, 14),)


@pytest.mark.parametrize("needle", ["B:", "A: c"])
def test_a_row_without_the_string_or_with_nothing_behind_it_is_bad(needle: str):
    with pytest.raises(RowFault, match="Train Only After"):
        trained_spans(ROW, LossPlace("after", (needle,)))


def test_a_row_without_answers_is_bad():
    with pytest.raises(RowFault, match="no assistant's turn"):
        trained_spans(RenderedRow("a b", ((1, 2),), True, True, True), LossPlace("assistant"))


def test_a_string_that_was_typed_is_meant():
    assert loss_place("all", "A:") == LossPlace("after", ("A:",))
    assert loss_place("all", "") == LossPlace("all")


@pytest.mark.parametrize(("loss_on", "string"), [("after", ""), ("assistant", "A:")])
def test_choices_that_contradict_each_other_are_refused(loss_on: str, string: str):
    with pytest.raises(DataError):
        loss_place(loss_on, string)
