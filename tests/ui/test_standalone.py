from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.ui.server import Server
from training_pro.ui.standalone import QUEUE_LOOKS_S, _let_it_sleep


def test_gradio_looks_for_events_seldom_enough_to_leave_the_processor_to_the_training(server: Server) -> None:
    for name, seconds in QUEUE_LOOKS_S.items():
        assert getattr(server.page._queue, name) >= seconds


@pytest.mark.parametrize("queue", [None, SimpleNamespace(), SimpleNamespace(sleep_when_free=9.0)])
def test_a_gradio_whose_queue_is_another_is_left_as_it_is(queue: object) -> None:
    before = dict(vars(queue)) if queue is not None else {}
    _let_it_sleep(SimpleNamespace(_queue=queue))  # type: ignore[arg-type]  # a stand-in
    assert (vars(queue) if queue is not None else {}) == before
