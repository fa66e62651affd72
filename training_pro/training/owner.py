"""Who owns the model: what training needs of a host and of the model that it hands over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from training_pro.folders import Folders

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Trainable(Protocol):
    """The loaded model as a host hands it over."""

    @property
    def model(self) -> PreTrainedModel: ...
    @property
    def tokenizer(self) -> PreTrainedTokenizerBase: ...
    @property
    def label(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def quantization(self) -> str: ...
    @property
    def max_tokens(self) -> int | None: ...


class ModelOwner(Protocol):
    """What a run needs of a host."""

    @property
    def folders(self) -> Folders: ...

    def trainable_model(self) -> Trainable: ...

    def hold(self, sentence: Callable[[], str]) -> AbstractContextManager[None]: ...
