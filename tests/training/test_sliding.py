from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_pro.errors import SettingsError
from training_pro.training.perplexity import Sliding, Window, fitted

sizes = st.integers(8, 40).flatmap(lambda context: st.tuples(st.just(context), st.integers(1, context - 1)))


@given(sizes, st.integers(0, 200), st.booleans())
def test_each_token_is_scored_once_and_never_without_context(size: tuple[int, int], count: int, with_bos: bool) -> None:
    sliding = Sliding(*size, bos_id=0 if with_bos else None)
    windows = list(sliding.windows(count))
    scored = [place for window in windows for place in range(window.scored, window.end)]
    assert scored == list(range(0 if with_bos else 1, count))
    assert len(scored) == sliding.scored_tokens(count)
    for window in windows:
        assert window.end - window.start + with_bos <= sliding.context_tokens
        assert window.scored + with_bos > window.start


@given(sizes, st.integers(41, 200))
def test_all_but_the_first_window_see_what_the_context_allows(size: tuple[int, int], count: int) -> None:
    context, stride = size
    for window in list(Sliding(context, stride).windows(count))[1:]:
        assert window.scored - window.start == context - stride


def test_the_picture_of_the_docstring() -> None:
    sliding = object.__new__(Sliding)  # smaller than is allowed
    for name, value in {"context_tokens": 4, "stride": 2, "bos_id": None}.items():
        object.__setattr__(sliding, name, value)
    assert list(sliding.windows(6)) == [Window(0, 4, 1), Window(2, 6, 4)]


@pytest.mark.parametrize(("context", "stride", "named"), [(7, 2, "context is 7"), (64, 0, "is 0"), (64, 64, "1 to 63")])
def test_sizes_that_make_no_window(context: int, stride: int, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Sliding(context, stride)


def test_a_small_model_is_measured_with_its_own_context() -> None:
    assert fitted(1024, 512, None, None) == (Sliding(1024, 512), "")
    assert fitted(1024, 512, 1024, 3) == (Sliding(1024, 512, 3), "")
    sliding, said = fitted(1024, 512, 256, 3)
    assert sliding == Sliding(256, 128, 3)
    assert "256 tokens" in said and "in place of 1024" in said
