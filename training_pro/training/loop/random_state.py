"""The state of every random generator that training draws from, read, restored and saved as one thing.

The file is the Trainer's own ``rng_state.pth``, which it loads when a run continues; beside the current card's state it
carries those of all cards, for a model whose layers are spread over several, and of Intel cards and Macs.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

_ALL_CARDS, _XPU, _MPS = "all_cards", "xpu", "mps"


@dataclass(frozen=True)
class RandomState:
    """Python's, numpy's, torch's and each device's generator state."""

    python: Any
    numpy: Any
    cpu: torch.Tensor
    cuda: list[torch.Tensor]
    xpu: list[torch.Tensor] = field(default_factory=list)
    mps: list[torch.Tensor] = field(default_factory=list)  # one, on a Mac

    @classmethod
    def take(cls) -> RandomState:
        """The state now; costs some tens of microseconds."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        xpu = torch.xpu.get_rng_state_all() if torch.xpu.is_initialized() else []
        mps = [torch.mps.get_rng_state()] if torch.backends.mps.is_available() else []
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda, xpu, mps)

    def restore(self) -> None:
        """Put the state back; of cards that are not there any more nothing is restored."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.cuda and torch.cuda.is_available():
            for number, state in enumerate(self.cuda[: torch.cuda.device_count()]):
                torch.cuda.set_rng_state(state, number)
        if self.xpu and torch.xpu.is_available():
            for number, state in enumerate(self.xpu[: torch.xpu.device_count()]):
                torch.xpu.set_rng_state(state, number)
        if self.mps and torch.backends.mps.is_available():
            torch.mps.set_rng_state(self.mps[0])

    def file_bytes(self, *, one_process: bool) -> bytes:
        """A whole ``rng_state`` file, in the form that the Trainer reads in one or in several processes."""
        values = {"python": self.python, "numpy": self.numpy, "cpu": self.cpu, _XPU: self.xpu, _MPS: self.mps}
        if self.cuda:
            values["cuda"] = self.cuda[torch.cuda.current_device()] if one_process else self.cuda
            values[_ALL_CARDS] = self.cuda
        file = io.BytesIO()
        torch.save(values, file)
        return file.getvalue()

    @classmethod
    def of_file(cls, path: Path) -> RandomState:
        """What `file_bytes`, or the Trainer, wrote."""
        with torch.serialization.safe_globals(_numpy_globals()):
            values = torch.load(path, weights_only=True)
        cuda = values.get(_ALL_CARDS, values.get("cuda", []))
        cuda = cuda if isinstance(cuda, list) else []
        return cls(values["python"], values["numpy"], values["cpu"], cuda, values.get(_XPU, []), values.get(_MPS, []))


def _numpy_globals() -> list[Any]:
    """What torch's safe loader must accept for numpy's state, an array of uint32."""
    array = np.zeros(0, np.uint32)
    return [array.__reduce__()[0], np.ndarray, np.dtype, type(array.dtype)]
