"""Whether the data of a run that is gone on with is what it was: files, template or format, tokenizer."""

from __future__ import annotations

from training_pro.data.fingerprint import differences
from training_pro.data.prepare import Prepared
from training_pro.errors import RunError
from training_pro.record.state import RunState
from training_pro.settings import SPECS


def data_parts(prepared: Prepared) -> dict[str, str]:
    """What the samples are made of, beside settings: a digest of each part by its name."""
    return {name: str(part) for name, part in prepared.fingerprint_parts.items() if name not in SPECS}


def check_same_data(name: str, state: RunState, prepared: Prepared) -> None:
    """Whether the run `name`, which `state` tells of, was started with just the samples of `prepared`.

    Raises:
        RunError: naming what has changed and the ways out.
    """
    if not state.data_fingerprint or state.data_fingerprint == prepared.fingerprint:
        return
    changed = differences(data_parts(prepared), state.data_parts) if state.data_parts else []
    what = f"changed since: {', '.join(changed)}" if changed else "its data or the tokenizer has changed"
    raise RunError(
        f'The run "{name}" can\'t be continued exactly: {what}. Put that back, train on top of its weights, or turn on '
        "Override Existing Files."
    )
