"""The one place where a handler's error becomes a sentence on the page, and where handlers are hooked up.

Gradio shows a handler's exception as the word "Error"; here every handler answers with updates, whatever happens.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any

import gradio as gr

from training_pro.errors import faults_of
from training_pro.ui.views.markup import box

Handler = Callable[..., Any]
QUIET: dict[str, Any] = {"api_name": False, "show_progress": "hidden"}
# Of choices in a row each is answered, in their order. "always_last" would leave some out, and with gradio 4 all
# that follow one whose answer got lost.
IN_TURN: dict[str, Any] = {**QUIET, "trigger_mode": "multiple", "concurrency_limit": 1}
AT_ONCE: dict[str, Any] = {**QUIET, "queue": False}  # never waits behind other work
CHECK = "() => window.trainingProPage.check()"  # for `js`: the page asks for a check of its form


def progress_at(place: Any, handlers: Iterable[Any]) -> None:
    """Of `handlers`, as gradio holds them, those that show no progress tell `place` alone of it.

    Gradio 6 tells each of a handler's outputs, at each of its stages, and looks through the whole page for every one:
    with a form's eighty, that was two fifths of the browser's work while the page opened. Gradio 4 has no such choice.
    """
    for handler in handlers:
        if handler.show_progress == "hidden" and hasattr(handler, "show_progress_on"):
            handler.show_progress_on = [place]


def answering(function: Handler, message: Any, doing: str) -> Handler:
    """`function`, which gives a dict of updates, but an error goes as a sentence to the HTML `message`."""

    def handler(*given: Any, **more: Any) -> Any:
        try:
            answer = function(*given, **more)
            return {message: gr.update()} if answer == {} else answer  # gradio 4 wants one update at least
        except Exception as error:  # noqa: BLE001 - the page's last stop: a sentence, never a trace
            return {message: box("error", faults_of(error, doing))}

    if not isinstance(function, functools.partial):
        return functools.wraps(function)(handler)
    # Gradio reads from these what to pass beside the inputs; it can't read those of a partial.
    handler.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # any function may have one
    handler.__annotations__ = typing.get_type_hints(function.func)
    return handler
