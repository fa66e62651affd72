"""Every write of a run, found by watching the calls that write: Python's own, torch's and safetensors'."""

from __future__ import annotations

import builtins
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from training_pro.record.whole_files import is_temporary

BY_HANDLE = ("fsync", "write", "ftruncate")
BY_PATH = ("replace", "rename", "mkdir", "rmdir", "unlink", "remove")
_WRITING = set("wax+")


@dataclass(frozen=True)
class Write:
    """A call that is about to write: which, to what (seen from the watched folder, temporaries as "~")."""

    call: str
    path: str

    def __str__(self) -> str:
        return f"{self.call} {self.path}"


Before = Callable[[Write], None]


def is_passing(name: str) -> bool:
    """The channel to a run that goes: gone with it, written anew all the time, and no record of anything."""
    return name.startswith(".live-")


class Watch:
    """Patches the calls; only what goes below `root` is told."""

    def __init__(self, root: Path, before: Before) -> None:
        self._root = str(root)
        self._before = before
        self._handles: dict[int, str] = {}
        self._one_at_a_time = threading.RLock()  # whoever is told may look at the folder in peace

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        import safetensors.torch
        import torch

        for name in BY_PATH:
            patch.setattr(os, name, self._by_path(name, getattr(os, name)))
        for name in BY_HANDLE:
            patch.setattr(os, name, self._by_handle(name, getattr(os, name)))
        patch.setattr(os, "open", self._os_open(os.open))
        patch.setattr(os, "close", self._os_close(os.close))
        opened = self._open(io.open)
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        patch.setattr(torch, "save", self._library("torch.save", torch.save))
        patch.setattr(safetensors.torch, "save_file", self._library("save_file", safetensors.torch.save_file))

    def _place(self, path: Any) -> str | None:
        """`path` as it is told; None for one that is elsewhere."""
        if isinstance(path, int) or not isinstance(path, (str, bytes, os.PathLike)):
            return None
        text = os.fsdecode(path)
        if not text.startswith(self._root):
            return None
        parts = Path(text).relative_to(self._root).parts
        if any(is_passing(part) for part in parts):
            return None
        return "/".join("~" if is_temporary(part) else part for part in parts)

    def _by_path(self, name: str, real: Any) -> Any:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            place = self._place(path)
            if place is None and kwargs.get("dir_fd") is not None:
                place = self._handles.get(kwargs["dir_fd"])  # rmtree goes by the folder's handle
            if place is None:
                return real(path, *args, **kwargs)
            with self._one_at_a_time:
                self._before(Write(name, place))
                return real(path, *args, **kwargs)

        return call

    def _by_handle(self, name: str, real: Any) -> Any:
        def call(handle: int, *args: Any, **kwargs: Any) -> Any:
            number = handle if isinstance(handle, int) else handle.fileno()
            if number not in self._handles:
                return real(handle, *args, **kwargs)
            with self._one_at_a_time:
                self._before(Write(name, self._handles[number]))
                return real(handle, *args, **kwargs)

        return call

    def _os_open(self, real: Any) -> Any:
        def call(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
            place = self._place(path)
            if place is None and kwargs.get("dir_fd") is not None:
                place = self._handles.get(kwargs["dir_fd"])
            if place is None:
                return real(path, flags, *args, **kwargs)
            with self._one_at_a_time:
                if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                    self._before(Write("open", place))
                handle = real(path, flags, *args, **kwargs)
                self._handles[handle] = place
                return handle

        return call

    def _os_close(self, real: Any) -> Any:
        def call(handle: int) -> None:
            self._handles.pop(handle, None)
            real(handle)

        return call

    def _open(self, real: Any) -> Any:
        def call(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            place = self._place(path)
            if place is None or not _WRITING & set(mode):
                return real(path, mode, *args, **kwargs)
            with self._one_at_a_time:
                self._before(Write("open", place))
                file = real(path, mode, *args, **kwargs)
                self._handles[file.fileno()] = place  # stays known: the number is used again only by another open
                return file

        return call

    def _library(self, name: str, real: Any) -> Any:
        def call(what: Any, path: Any, *args: Any, **kwargs: Any) -> Any:
            place = self._place(path)
            if place is None:
                return real(what, path, *args, **kwargs)
            with self._one_at_a_time:
                self._before(Write(name, place))
                return real(what, path, *args, **kwargs)

        return call


@contextmanager
def watched_writes(root: Path, before: Before) -> Iterator[None]:
    """`before` is told of every write below `root`, in any thread of this process."""
    with pytest.MonkeyPatch.context() as patch:
        Watch(root, before).patch(patch)
        yield
