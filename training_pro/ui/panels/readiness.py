"""Whether a run could start now, and what stands against it, said before anybody presses Start. Loads nothing."""

from __future__ import annotations

from training_pro.session import Session
from training_pro.ui.views.markup import box, text


def obstacle(session: Session) -> str:
    """The first thing that stands against a run, with the way out; "" for none, and while a run goes."""
    return "" if session.busy else session.occupied() or session.host.obstacle()


def host_line(session: Session) -> str:
    """Which model there is, and what stands against a run on it."""
    stands = obstacle(session)
    label = session.host.model_label()
    model = f'<p class="tp-host">Model <b>{text(label)}</b></p>' if label else ""
    return model + _going(session) + box("warning", stands)


def _going(session: Session) -> str:
    """Where the run is on the page, for those who come to see it."""
    run = session.run
    if run is None or not run.status.running:
        return ""
    done, total = run.status.update, run.status.total_updates
    how_far = f"update {done:,} of {total:,}" if total else "being prepared"
    return f'<p class="tp-host">Going: <a href="#tp-status">{text(run.status.name)}</a>, {text(how_far)}</p>'
