"""The preview: any block that the check found, as it will be trained, and ways to move between blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from training_pro.data import find
from training_pro.data.prepare import Prepared
from training_pro.data.samples import Samples
from training_pro.errors import DataError
from training_pro.progress import no_progress
from training_pro.ui.form import Form, Values
from training_pro.ui.handlers import QUIET, answering
from training_pro.ui.panels.check import Check
from training_pro.ui.pieces import area, button, button_row, card, head
from training_pro.ui.views.preview import neighbour_borders, preview_view

ANY = "any"
_CLOSE = '<button type="button" class="tp-btn tp-s tp-i tp-i-x" data-do="blocks">Close</button>'
_IN_TURN: dict[str, Any] = {**QUIET, "concurrency_id": "preview", "concurrency_limit": 1}  # answers keep their order
KINDS = (ANY, "packed", "overlap", "window", "row")
PARTS = ("training", "evaluation", "left out")


class Preview:
    """Shows block by block what `Verify` has prepared."""

    def __init__(self, form: Form, check: Check) -> None:
        self._form = form
        self._check = check
        self._of: dict[str, int] = {}  # by page: the number of the check that its block is of

    def build(self) -> None:
        with card("preview", "tp-blocks-card"):
            with gr.Row(elem_classes=["tp-head"]):
                head("The blocks, as they are trained")
                gr.HTML(_CLOSE, elem_classes=["tp-html"])
            with gr.Row(elem_classes=["tp-g4"]):
                self.number = gr.Number(
                    1, label="Block", precision=0, step=1, min_width=110, elem_id="tp-block", elem_classes=["tp-field"]
                )
                self.kind = gr.Dropdown(
                    list(KINDS),
                    value=ANY,
                    label="Kind",
                    min_width=110,
                    elem_id="tp-block-kind",
                    elem_classes=["tp-field"],
                )
                self.part = gr.Dropdown(
                    list(PARTS),
                    value=PARTS[0],
                    label="Part",
                    min_width=110,
                    elem_id="tp-block-part",
                    elem_classes=["tp-field"],
                )
                self.words = gr.Textbox(
                    label="Search", max_lines=1, min_width=140, elem_id="tp-search", elem_classes=["tp-field"]
                )
            with button_row():
                self.moves = {
                    "show": button("Show", "block-show"),
                    "previous": button("Previous", "block-previous"),
                    "next": button("Next", "block-next"),
                    "longest": button("Longest", "block-longest"),
                    "shortest": button("Shortest", "block-shortest"),
                    "least": button("Least trained", "block-least"),
                    "split": button("Next split", "block-split"),
                    "left": button("Next left out", "block-left"),
                    "find": button("Find next", "block-find"),
                }
            self.shown = area("block-shown")

    def connect(self) -> None:
        inputs = self._form.inputs | {self.number, self.kind, self.part, self.words}
        outputs = [self.shown, self.number, self.part]
        events = [(pressed.click, name) for name, pressed in self.moves.items()]
        for event, name in (*events, (self.words.submit, "find"), (self.number.submit, "show")):
            event(answering(partial(self._show, name), self.shown, "showing a block"), inputs, outputs, **_IN_TURN)
        again = answering(self._again, self.shown, "showing a block")
        self._check.done.then(again, inputs, outputs, **_IN_TURN)

    def _again(self, data: Values, request: gr.Request) -> dict[Any, Any]:
        """After a check: the block of the same number, unless somebody has moved on in this check's blocks by now."""
        if not self._check.number:
            return {self.shown: ""}
        moved = self._of.get(str(request.session_hash)) == self._check.number
        return {} if moved else self._show("show", data, request)

    def _show(self, move: str, data: Values, request: gr.Request) -> dict[Any, Any]:
        checked = self._check.checked(self._form.settings(data), no_progress)
        part = PARTS[2] if move == "left" else data[self.part]
        samples = _samples_of(checked.prepared, part)
        here = min(max(int(data[self.number] or 1), 1), len(samples)) - 1
        words = str(data[self.words] or "")
        place = 0 if part != data[self.part] else self._moved(move, samples, here, words, data[self.kind])
        preview = samples.preview(place)
        near = [samples.preview(other) for other in (place - 1, place + 1) if 0 <= other < len(samples)]
        borders = neighbour_borders(preview, near) if preview.kind in ("packed", "overlap") else []
        view = preview_view(preview, len(samples), borders, words)
        self._of[str(request.session_hash)] = self._check.number
        return {self.shown: view, self.number: place + 1, self.part: part}

    def _moved(self, move: str, samples: Samples, here: int, words: str, kind: str) -> int:
        ends: dict[str, Callable[[Samples], int]] = {
            "longest": find.longest,
            "shortest": find.shortest,
            "least": find.least_trained,
        }
        if move in ends:
            return ends[move](samples)
        if move == "find":
            if not words.strip():
                raise DataError("There is nothing to search for. Type some words under Search.")
            found = find.next_with(samples, words, here)
            if found is None:
                raise DataError(f"No block holds {words!r}. Try fewer words.")
            return found
        if move == "split":
            return _found(find.next_split(samples, here), "No sentence is longer than a block; none was split.")
        if move in ("next", "previous", "left"):
            step = -1 if move == "previous" else 1
            wanted = "" if kind == ANY or move == "left" else kind
            return _found(find.next_of_kind(samples, here, step, wanted), f'There is no block of the kind "{kind}".')
        return here


def _found(place: int | None, otherwise: str) -> int:
    if place is None:
        raise DataError(otherwise)
    return place


def _samples_of(prepared: Prepared, part: str) -> Samples:
    """The part's samples.

    Raises:
        DataError: it has none.
    """
    samples = dict(zip(PARTS, (prepared.train, prepared.eval, prepared.dropped), strict=True))[part]
    if samples is not None and len(samples):
        return samples
    if part == PARTS[1]:
        raise DataError("There is no evaluation data. Choose a file, or hold some out.")
    raise DataError("Nothing was left out: no small block, no row that is too long, none that has nothing to train.")
