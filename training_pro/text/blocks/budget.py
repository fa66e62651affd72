"""What a block may hold: its tokens, the tokens around it, and the choices that decide both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training_pro.text.tokenizing.encoding import TextEncoder


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

    def room_each(self, at_section_end: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """The same for many blocks."""
        return self.max_tokens - self.bos - self.eos_each(at_section_end).astype(np.int64)

    def eos_each(self, at_section_end: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        return np.where(at_section_end, self.eos_at_cut, self.eos_inside)
