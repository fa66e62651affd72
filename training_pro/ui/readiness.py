"""Whether a run could start now, and what stands against it, said before anybody presses Start. Loads nothing."""

from __future__ import annotations

from training_pro.session import Session
from training_pro.ui.markup import box, text


def obstacle(session: Session) -> str:
    """The first thing that stands against a run, with the way out; "" for none."""
    host = session.host
    if host.multi_user:
        return "The host runs in multi-user mode: everything here is read only. Start it without that to train."
    if not host.model_label():
        return "No model is loaded; load one in the Model tab with the Transformers loader and load-in-4bit."
    if host.loras_on() and not session.busy:
        names = ", ".join(host.loras_on())
        return f"A LoRA is on the model ({names}); a run starts from the model itself: take the LoRA off first."
    return ""


def host_line(session: Session) -> str:
    """Which model there is, and what stands against a run on it."""
    stands = obstacle(session)
    label = session.host.model_label()
    model = f'<p class="tp-host">Model <b>{text(label)}</b></p>' if label else ""
    return model + box("warning", stands)
