"""How a run begins: anew, exactly where it left off, or anew on top of another's weights.

A run begun on top remembers where its first weights are: killed before its first checkpoint, it begins there again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from training_pro.errors import ModelError, RunError
from training_pro.record.adapter_files import CONFIG_FILE, OLD_WEIGHTS_FILE, WEIGHTS_FILE
from training_pro.record.whole_files import write_json_whole
from training_pro.training.checkpoint import newest_first

START_FILE = "training_start.json"


@dataclass(frozen=True)
class Begin:
    """`replace`: a LoRA of this name is kept aside first. `on_top`: it is kept aside and its weights are the start.

    `on_top_of` names a folder with the first weights; `checkpoint_update` the checkpoint to continue from (None: the
    newest).
    """

    continue_exactly: bool = False
    checkpoint_update: int | None = None
    replace: bool = False
    on_top: bool = False
    on_top_of: Path | None = None


def weights_in(folder: Path) -> Path:
    """The folder that holds a LoRA's weights: `folder` itself or, for a run that never ended, its newest checkpoint.

    Raises:
        RunError: there are none.
    """
    if any((folder / name).is_file() for name in (WEIGHTS_FILE, OLD_WEIGHTS_FILE)):
        return folder
    for checkpoint in newest_first(folder):
        if checkpoint.loadable:
            return checkpoint.path
    raise RunError(f'The LoRA "{folder.name}" has no weights to train on top of; replace it or choose another name.')


def check_rank(folder: Path, rank: int) -> None:
    """Raises:
    ModelError: the LoRA in `folder` says that it has another rank.
    """
    try:
        own = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))["r"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # its weights will tell
    if isinstance(own, int) and own != rank:
        raise ModelError(
            f"The LoRA in {folder} has rank {own}, these settings have {rank}: set LoRA Rank to {own} to train on top "
            "of its weights, or choose another name to begin anew."
        )


def remember_start(folder: Path, weights: Path) -> None:
    """Write down in the run's folder where its first weights are.

    Raises:
        RunError: it couldn't be written.
    """
    write_json_whole(folder / START_FILE, {"on_top_of": str(weights)})


def remembered_start(folder: Path) -> Path | None:
    """Where the first weights of the run in `folder` are; None for a run that began anew.

    Raises:
        RunError: they are not there any more.
    """
    try:
        start = json.loads((folder / START_FILE).read_text(encoding="utf-8"))["on_top_of"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"{folder / START_FILE} can't be read ({error}); remove the run or turn on Override Existing Files."
        ) from None
    if not Path(start).is_dir():
        raise RunError(f'The run "{folder.name}" began on top of {start}, which is gone; put it back or begin anew.')
    return Path(start)
