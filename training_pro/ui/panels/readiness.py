"""Whether a run could start now, and what blocks it, shown before anybody presses Start. Loads nothing."""

from __future__ import annotations

from training_pro.errors import RunError
from training_pro.session import Session
from training_pro.ui.views.markup import megabytes
from training_pro.ui.views.status import status_line


def obstacle(session: Session) -> str:
    """The first thing that blocks a run, with the way out; "" for none, while a run is in progress, and where it is
    only a LoRA on the model, which Start unloads."""
    if session.busy:
        return ""
    if session.host.loras_in_use():
        return session.occupied()
    return session.occupied() or session.host.obstacle()


def check_ready(session: Session) -> None:
    """Raises:
    RunError: what blocks a run.
    """
    stands = obstacle(session)
    if stands:
        raise RunError(stands)


def host_line(session: Session) -> str:
    """The line at the top: which model there is, the run in progress, and what blocks a run."""
    run = session.run
    memory = (
        megabytes(run.status.point.memory_mb) if run is not None and run.status.running and run.status.point else ""
    )
    loras = [] if session.busy else session.host.loras_in_use()
    asking = session.asking is not None and session.asking.status.running  # which the answers say themselves
    stands = "" if asking else obstacle(session)
    return status_line(session.host.model_label(), memory, run, stands, loras)
