"""The tiles: a press fills in a whole way to train. Four come along; a person's own stand after them, kept and removed
in a row that is folded away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from training_pro.errors import SettingsError
from training_pro.session import Session
from training_pro.settings import checked_value, to_dict
from training_pro.ui.form import Form, Values
from training_pro.ui.hand import Hand
from training_pro.ui.handlers import AT_ONCE, CHECK, IN_TURN, QUIET, answering
from training_pro.ui.pieces import area, button, head
from training_pro.ui.presets import drop_preset, every_preset, keep_preset, preset_tiles, preset_values
from training_pro.ui.views.check import BACK_HAND, changed_back
from training_pro.ui.views.markup import box

_UNFOLD = '<button type="button" class="tp-btn tp-s" data-do="presets" aria-expanded="false">Save as preset</button>'


class OwnPresets:
    """The tiles, and the row below them."""

    def __init__(self, session: Session, form: Form) -> None:
        self._session = session
        self._form = form

    def build(self) -> None:
        with gr.Row(elem_classes=["tp-head"]):
            head("How should it learn?")
            gr.HTML(_UNFOLD, elem_classes=["tp-html"])
        with gr.Row(elem_classes=["tp-presets"]):
            self.own = gr.Textbox(
                label="Preset of your own", info="A name for the settings as they are now.", max_lines=1,
                elem_id="tp-preset-name", elem_classes=["tp-field"], min_width=160,
            )  # fmt: skip
            self.keep = button("Save preset", "keep-preset", scale=0)
            self.drop = button("Remove preset", "drop-preset", scale=0)
        self.tile = gr.Radio(
            preset_tiles(self._session.host.folders), value=None, show_label=False, label="How should it learn?",
            container=False, elem_id="tp-tiles", elem_classes=["tp-tiles"],
        )  # fmt: skip
        self.said = area("presets-said")
        self.back = Hand(BACK_HAND)
        self.back.build()

    def connect(self) -> None:
        filled = [*self._form.outputs, self.said]
        use = answering(self._use, self.said, "using the preset")
        self.tile.input(use, self._form.inputs | {self.tile}, filled, **IN_TURN).then(
            None, None, None, js=CHECK, **AT_ONCE
        )
        keep = answering(self._keep, self.said, "saving the preset")
        self.keep.click(keep, self._form.inputs | {self.own}, [self.said, self.tile], **QUIET)
        drop = answering(self._drop, self.said, "removing the preset")
        self.drop.click(drop, self.own, [self.said, self.tile], **QUIET)
        put_back = answering(self._put_back, self.said, "putting settings back")
        self.back.connect(put_back, filled).then(None, None, None, js=CHECK, **AT_ONCE)

    def lists(self) -> dict[Any, Any]:
        """The tiles as they are now."""
        return {self.tile: gr.update(choices=preset_tiles(self._session.host.folders))}

    def _use(self, data: Values) -> dict[Any, Any]:
        """Fills in the tile's values, and says which of the person's own it has changed."""
        folders, name = self._session.host.folders, data[self.tile]
        if not name:
            return {self.said: ""}
        values = preset_values(name, folders)
        own = _own_values(self._form.values(data), every_preset(folders))
        lost = {key: value for key, value in own.items() if self._form.has(key) and value != values.get(key, value)}
        return {**self._form.change(values), self.said: changed_back(name, lost, values)}

    def _put_back(self, changed: str) -> dict[Any, Any]:
        """The settings that a tile has changed, given as JSON, as they were."""
        return {**self._form.change(self._form.kept(changed)), self.said: ""}

    def _keep(self, data: Values) -> dict[Any, Any]:
        folders, name = self._session.host.folders, str(data[self.own] or "").strip()
        keep_preset(name, to_dict(self._form.settings(data)), folders)
        return {**self.lists(), self.said: box("good", f'The settings are saved as the preset "{name}".')}

    def _drop(self, name: str) -> dict[Any, Any]:
        drop_preset(name or "", self._session.host.folders)
        return {**self.lists(), self.said: box("info", f'The preset "{name}" is removed.')}


def _own_values(values: Mapping[str, Any], presets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a person chose or accepted: no preset gives it, so that no tile can have filled it in."""
    own = {}
    for name, given in values.items():
        try:
            value = checked_value(name, given)
        except SettingsError:
            continue
        if all(value != preset.get(name) for preset in presets):
            own[name] = value
    return own
