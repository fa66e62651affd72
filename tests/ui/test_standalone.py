from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest

from tests.gradio4_helper import is_gradio4
from tests.ui.server import Server
from training_pro.ui.standalone import QUEUE_LOOKS_S, _let_it_sleep
from training_pro.ui.tab import build_tab


def test_gradio_looks_for_events_seldom_enough_to_leave_the_processor_to_the_training(server: Server) -> None:
    for name, seconds in QUEUE_LOOKS_S.items():
        assert getattr(server.page._queue, name) >= seconds


@pytest.mark.parametrize("queue", [None, SimpleNamespace(), SimpleNamespace(sleep_when_free=9.0)])
def test_a_gradio_whose_queue_is_another_is_left_as_it_is(queue: object) -> None:
    before = dict(vars(queue)) if queue is not None else {}
    _let_it_sleep(SimpleNamespace(_queue=queue))  # type: ignore[arg-type]  # a stand-in
    assert (vars(queue) if queue is not None else {}) == before


@pytest.mark.skipif(is_gradio4(), reason="gradio 4 has no such choice, and no need of it")
def test_how_far_a_quiet_handler_is_goes_to_one_place_and_handlers_of_others_are_left_alone(server: Server) -> None:
    with gr.Blocks() as page:
        theirs = [gr.Textbox(), gr.Textbox()]
        theirs[0].change(lambda value: [value, value], theirs[0], theirs, show_progress="hidden")
        build_tab(server.session)
    first, *ours = page.fns.values()
    assert first.show_progress_on is None
    quiet = [handler for handler in ours if handler.show_progress == "hidden"]
    assert len(quiet) > 50
    places = {id(place) for handler in quiet for place in handler.show_progress_on}
    assert len(places) == 1
