"""A text cut into the passages that questions are written for: its sections; long ones at whole sentences.

The slicer does the cutting, so the passages are the author's words, in order, and nothing of the text is lost but what
is too short to be asked about, which is counted. Costs the tokenizer's time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pro.data.files import find_dataset, is_text
from training_pro.data.text_parts import text_parts
from training_pro.errors import DataError
from training_pro.folders import Folders
from training_pro.progress import Progress, no_progress
from training_pro.settings import DEFAULTS
from training_pro.text.blocks.budget import Slicing
from training_pro.text.blocks.corpus import Corpus
from training_pro.text.blocks.slicing import slice_documents
from training_pro.text.splitting.abbreviations import read_abbreviations
from training_pro.text.tokenizing.encoding import TextEncoder

SHORTEST_CHARS = 60


@dataclass(frozen=True)
class Cutting:
    """Where a text is cut: at `hard_cut` (escapes as typed), and sections of more than `max_tokens` at sentences.
    Passages of at most `shortest_chars` characters are not asked about."""

    hard_cut: str = DEFAULTS["hard_cut"]
    max_tokens: int = DEFAULTS["max_tokens"]
    shortest_chars: int = SHORTEST_CHARS


@dataclass(frozen=True)
class Passages:
    """The passages of one text or folder; `name` is how people call it, `too_short` how many are not asked about."""

    name: str
    texts: tuple[str, ...]
    too_short: int

    def digest(self) -> str:
        """Equal: the passages are the same."""
        state = hashlib.blake2b(digest_size=16)
        for text in self.texts:
            state.update(f"{len(text)} {text}".encode("utf-8", "surrogatepass"))
        return state.hexdigest()


def text_path(name: str, folders: Folders) -> Path:
    """Where the text `name` is.

    Raises:
        DataError: there is none, or it is rows.
    """
    path = find_dataset(name, folders.datasets)
    if not is_text(path):
        raise DataError(f"{path.name} holds rows, not running text. Choose a text or a folder of texts.")
    return path


def passages_of(
    name: str, folders: Folders, tokenizer: Any, cutting: Cutting, progress: Progress = no_progress
) -> Passages:
    """The passages of the text `name`, in the order of the text.

    Raises:
        DataError: no such text, or nothing in it that can be asked about.
        Cancelled: from `progress`.
    """
    path = text_path(name, folders)
    parts = text_parts(path, path.name, folders.converted, progress)
    slicing = Slicing(
        max_tokens=cutting.max_tokens,
        hard_cut=cutting.hard_cut,
        overlap=False,
        dementor=False,
        min_block_chars=cutting.shortest_chars,
        add_bos=False,
        eos="none",
        abbreviations=read_abbreviations(folders.abbreviations),
    )
    corpus = Corpus.of_files([part.path for part in parts], progress=progress)
    blocks = slice_documents(corpus, slicing, TextEncoder(tokenizer), progress)
    if not len(blocks):
        raise DataError(
            f"{path.name} has no section of more than {cutting.shortest_chars} characters. Choose another text.",
            option="--shortest 0",
        )
    texts = tuple(blocks.text(number) for number in range(len(blocks)))
    return Passages(path.name, texts, blocks.report.dropped_small)
