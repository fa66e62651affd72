"""A button that leads to a folder: its path is shown and copied; on this machine's desktop it opens as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from training_pro.ui.desktop import at_this_machine, show_folder
from training_pro.ui.views.markup import box

# The path is read off the page, because a browser lets a page write to the clipboard at a click only.
_COPY = """() => {
  const path = document.querySelector("%s")?.textContent;
  if (!path) return;
  const plainly = () => {
    const field = document.createElement("textarea");
    field.value = path;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  };
  if (navigator.clipboard) navigator.clipboard.writeText(path).catch(plainly);
  else plainly();
}"""


def copy_on_click(pressed: Any, *shown_in: Any) -> None:
    """Let `pressed` copy the path that one of these areas shows."""
    places = ", ".join(f"#{area.elem_id} .tp-path" for area in shown_in)
    pressed.click(None, None, None, js=_COPY % places)


def folder_said(folder: Path, request: gr.Request) -> str:
    """Open `folder` where the page and a desktop are on this machine; what to say of it."""
    asked_from = getattr(getattr(request, "client", None), "host", None)
    opened = at_this_machine(asked_from) and show_folder(folder)
    return box("info", f"{'Opened' if opened else 'Copied the path'}: {folder}")
