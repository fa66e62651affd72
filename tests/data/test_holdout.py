from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.chat_templates import CHATML
from tests.data.row_files import chat, write_rows
from tests.data.tiny import tiny_tokenizer
from training_pro.data.holdout import _sections_for
from training_pro.data.prepare import Prepared, prepare
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.settings import Settings

WORDS = ["fox", "hen", "goat", "river", "cup", "kettle", "house", "winter"]


def sentence(number: int) -> str:
    return f"The {WORDS[number % 8]} number {number} went to the {WORDS[number // 8 % 8]}."


def one_section(count: int) -> str:
    return " ".join(sentence(number) for number in range(count))


def many_sections(count: int) -> str:
    return "\n\n\n".join(" ".join(sentence(10 * place + i) for i in range(6)) for place in range(count))


def prepared(folders: Folders, text: str, **choices: Any) -> Prepared:
    (folders.datasets / "a.txt").write_text(text)
    choices = {"max_tokens": 40, "eval_percent": 10, **choices}
    return prepare(Settings(text_file="a.txt", **choices), tiny_tokenizer(), folders)


def characters(samples: Any) -> set[int]:
    previews = (samples.preview(index) for index in range(len(samples)))
    return {place for preview in previews for place in range(preview.start, preview.end)}


@pytest.mark.parametrize("dementor", [False, True])
@pytest.mark.parametrize("text", [one_section(120), many_sections(30)], ids=["one section", "many sections"])
def test_no_character_is_trained_and_evaluated(text: str, dementor: bool, folders: Folders):
    found = prepared(folders, text, dementor=dementor)
    assert found.eval is not None and len(found.eval) > 1
    assert characters(found.train) & characters(found.eval) == set()


@pytest.mark.parametrize("dementor", [False, True])
def test_evaluation_blocks_share_nothing_with_each_other(dementor: bool, folders: Folders):
    found = prepared(folders, one_section(200), dementor=dementor, max_tokens=150, eval_percent=40)
    assert found.eval is not None
    spans = sorted((found.eval.preview(i).start or 0, found.eval.preview(i).end or 0) for i in range(len(found.eval)))
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))


def test_whole_sections_are_held_out_where_there_are_enough(folders: Folders):
    found = prepared(folders, many_sections(40))
    assert found.eval is not None
    held = {found.eval.preview(index).section for index in range(len(found.eval))}
    trained = {found.train.preview(index).section for index in range(len(found.train))}
    assert not held & trained and len(held | trained) == 40
    assert 2 <= len(held) <= 6


def test_blocks_are_held_out_where_sections_are_few(folders: Folders):
    whole = prepared(folders, one_section(200), eval_percent=0)
    found = prepared(folders, one_section(200))
    assert found.eval is not None
    packed = sum(whole.train.preview(index).kind == "packed" for index in range(len(whole.train)))
    assert len(found.eval) == round(packed / 10)
    assert len(found.train) + len(found.eval) + found.report.left_out == len(whole.train)
    assert 0 < found.report.left_out <= 2 * len(found.eval)  # the overlaps at both sides


def test_the_share_is_about_what_was_asked(folders: Folders):
    for text in (one_section(400), many_sections(60)):
        found = prepared(folders, text, overlap=False)
        assert found.eval is not None
        share = found.eval.lengths.sum() / (found.eval.lengths.sum() + found.train.lengths.sum())
        assert 0.06 < share < 0.14


def test_the_seed_decides(folders: Folders):
    def held(seed: int) -> list[int | None]:
        found = prepared(folders, one_section(200), seed=seed).eval
        assert found is not None
        return [found.preview(index).start for index in range(len(found))]

    assert held(1) == held(1) != held(2)


def rows(folders: Folders, contents: list[dict[str, Any]], **choices: Any) -> Prepared:
    write_rows(folders, "a.jsonl", contents)
    return prepare(Settings(dataset="a.jsonl", eval_percent=20, **choices), tiny_tokenizer(CHATML), folders)


def numbers(samples: Any) -> set[int]:
    return {samples.preview(index).row for index in range(len(samples))}


def test_rows_are_on_one_side_each(folders: Folders):
    found = rows(folders, [chat(f"q {i}", f"a {i}") for i in range(50)])
    assert found.eval is not None
    assert len(found.eval) == 10 and numbers(found.train) | numbers(found.eval) == set(range(1, 51))
    assert not numbers(found.train) & numbers(found.eval)
    assert sorted(numbers(found.eval)) != list(range(41, 51))  # not simply the last ones


def test_twins_of_evaluation_rows_are_not_trained(folders: Folders):
    found = rows(folders, [chat(f"q {i % 5}", f"a {i % 5}") for i in range(20)])
    assert found.eval is not None
    held = {found.eval[index]["input_ids"].tobytes() for index in range(len(found.eval))}
    trained = {found.train[index]["input_ids"].tobytes() for index in range(len(found.train))}
    assert not held & trained and found.report.left_out > 0


def test_holding_out_everything_is_refused(folders: Folders):
    with pytest.raises(DataError, match="nothing to train on"):
        rows(folders, [chat("q", "a")])


def test_an_evaluation_file_wins_over_the_share(folders: Folders):
    write_rows(folders, "e.jsonl", [chat("x", "y")])
    found = rows(folders, [chat(f"q {i}", f"a {i}") for i in range(10)], eval_dataset="e.jsonl")
    assert found.eval is not None and len(found.eval) == 1 and len(found.train) == 10


def test_a_text_may_be_the_evaluation_file(folders: Folders):
    (folders.datasets / "e.txt").write_text(one_section(3))
    found = prepared(folders, one_section(20), eval_dataset="e.txt")
    assert found.eval is not None and found.eval.preview(0).source == "e.txt"
    assert np.array_equal(found.train.lengths, prepared(folders, one_section(20), eval_percent=0).train.lengths)


def sized_sections(*sentences: int) -> str:
    """Sections of so many sentences each."""
    starts = np.cumsum([0, *sentences]).tolist()
    sections = [range(a, b) for a, b in zip(starts, starts[1:], strict=False)]
    return "\n\n\n".join(" ".join(sentence(number) for number in section) for section in sections)


def share(found: Prepared) -> float:
    assert found.eval is not None
    held = int(found.eval.lengths.sum())
    return 100 * held / (held + int(found.train.lengths.sum()))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("first", [True, False], ids=["huge first", "huge last"])
def test_a_huge_section_is_not_taken_for_a_small_share(first: bool, seed: int, folders: Folders):
    sizes = [400, *[4] * 20]
    text = sized_sections(*(sizes if first else sizes[::-1]))
    found = prepared(folders, text, overlap=False, eval_percent=5, seed=seed)
    assert found.eval is not None
    held = {found.eval.preview(index).section for index in range(len(found.eval))}
    trained = {found.train.preview(index).section for index in range(len(found.train))}
    assert not held & trained  # whole sections
    assert share(found) == pytest.approx(5, abs=0.6)


def test_of_two_sections_the_one_that_fits_is_taken(folders: Folders):
    found = prepared(folders, sized_sections(190, 10), overlap=False, eval_percent=5)
    assert found.eval is not None
    assert {found.eval.preview(index).section for index in range(len(found.eval))} == {1}
    assert any("1 of 2 sections" in note and "5 % were asked for" in note for note in found.report.notes)


@pytest.mark.parametrize("text", [sized_sections(200), sized_sections(100, 100)], ids=["one section", "two halves"])
def test_blocks_are_taken_where_no_sections_have_about_that_share(text: str, folders: Folders):
    found = prepared(folders, text, eval_percent=5)
    assert share(found) < 8
    assert any("no choice of whole sections" in note for note in found.report.notes)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=40), st.integers(1, 50), st.integers(0, 9))
def test_sections_are_as_near_as_can_be_and_never_all(sizes: list[int], percent: int, seed: int):
    held, found = _sections_for(np.arange(len(sizes)), np.array(sizes), percent, np.random.default_rng(seed))
    taken = sum(sizes[place] for place in held)
    assert len(set(held.tolist())) == len(held) < len(sizes)
    assert found == pytest.approx(100 * taken / sum(sizes))
    if len(sizes) <= 10:
        sums = {sum(part) for n in range(len(sizes)) for part in combinations(sizes, n)}
        wanted = sum(sizes) * percent / 100
        assert abs(taken - wanted) <= min(abs(total - wanted) for total in sums) + 0.01 * wanted + 1e-9


def test_the_note_says_how_many_rows(folders: Folders):
    found = rows(folders, [chat(f"q {i}", f"a {i}") for i in range(50)])
    assert "10 of 50 rows are held out for evaluation." in found.report.notes
