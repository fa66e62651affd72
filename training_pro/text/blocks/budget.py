"""What a block may hold: its tokens, the tokens around it, and the choices that decide both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.text.blocks.indexed_text import Runs
from training_pro.text.tokenizing.encoding import TextEncoder

Rows = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Slicing:
    """How text is sliced; names and units as in `Settings`. `hard_cut` is as typed, `eos` "none", "block" or "cut".

    `abbreviations`: a person's own, as `read_abbreviations` gives them.
    """

    max_tokens: int = 256
    hard_cut: str = "\\n\\n\\n"
    overlap: bool = True
    dementor: bool = False
    min_block_chars: int = 0
    add_bos: bool = True
    eos: str = "block"
    abbreviations: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Budget:
    """`max_tokens` of a block, BOS and EOS included; whether blocks get a BOS; which get an EOS."""

    max_tokens: int
    bos: bool
    eos_inside: bool
    eos_at_cut: bool

    @classmethod
    def of(cls, slicing: Slicing, encoder: TextEncoder) -> Budget:
        """The budget, as far as the tokenizer has the tokens asked for."""
        can_end = encoder.eos_id is not None
        return cls(
            max_tokens=slicing.max_tokens,
            bos=slicing.add_bos and encoder.bos_id is not None,
            eos_inside=can_end and slicing.eos == "block",
            eos_at_cut=can_end and slicing.eos in ("block", "cut"),
        )

    def eos(self, at_section_end: bool) -> bool:
        return self.eos_at_cut if at_section_end else self.eos_inside

    def room(self, at_section_end: bool) -> int:
        """The most ids of text that a block may hold."""
        return self.max_tokens - self.bos - self.eos(at_section_end)

    def room_each(self, runs: Runs, firsts: Rows, lasts: Rows) -> npt.NDArray[np.int64]:
        """The most ids of text that a run of sentences may hold; of many runs, or of one."""
        around = self.bos_each(runs, firsts).astype(np.int64) + self.eos_each(runs, lasts)
        return self.max_tokens - around

    def bos_each(self, runs: Runs, firsts: Rows) -> npt.NDArray[np.bool_]:
        """Whether a run that begins with these sentences gets a BOS: never a second one."""
        given: npt.NDArray[np.bool_] = self.bos & ~runs.has_bos[firsts]
        return given

    def eos_each(self, runs: Runs, lasts: Rows) -> npt.NDArray[np.bool_]:
        """Whether a run that ends with these sentences gets an EOS: never a second one."""
        return np.where(runs.is_last[lasts], self.eos_at_cut, self.eos_inside) & ~runs.has_eos[lasts]
