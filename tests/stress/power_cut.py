"""What is on a disk when the machine stops: a small model of a file system, fed by watching a run write.

A file has its content at its last fsync, a folder its entries at its last fsync; everything else may be lost, and
which part of it is, differs between file systems. A killed process, other than a machine without power, leaves all
that it had written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.stress.writes import Write, is_passing, watched_writes
from training_pro.record.whole_files import is_temporary

Tree = dict[str, bytes | None]
"""Files by path with their content; folders have None."""


@dataclass(frozen=True)
class Moment:
    """What would be found if everything stopped just before `write`.

    `killed`: the process alone. `strict`: only what was forced to the disk, names included. `names_only`: all names,
    but content only as it was forced. `torn`: all names, and half of each content that was not forced.
    """

    write: str
    killed: Tree
    strict: Tree
    names_only: Tree
    torn: Tree


@dataclass
class _Node:
    """A file or folder, whatever it is called: what of it is certain to be on the disk."""

    folder: bool
    entries: dict[str, int] = field(default_factory=dict)
    content: bytes = b""


class Disk:
    """The folder `root`, watched; `moments` holds one entry per write."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contents: dict[bytes, bytes] = {}
        self._nodes: list[_Node] = []
        self._by_inode: dict[int, int] = {}  # of what is there now: the system uses numbers again
        self._by_place: dict[str, int] = {}
        self.moments: list[Moment] = []
        present = self._look()
        for place in ("", *present):
            self._force(place, present)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Everything written meanwhile below the folder becomes moments; a last one is after the end."""
        with watched_writes(self._root, self._before), pytest.MonkeyPatch.context() as patch:
            watched_fsync = os.fsync

            def fsync(handle: int) -> None:
                watched_fsync(handle)
                self._synced(os.fstat(handle).st_ino)

            patch.setattr(os, "fsync", fsync)
            yield
        self._before(Write("end", ""))

    def _before(self, write: Write) -> None:
        present = self._look()
        strict: Tree = {}
        self._walk(self._by_place[""], "", strict)
        self.moments.append(
            Moment(str(write), present, strict, self._forced_content(present, 0.0), self._forced_content(present, 0.5))
        )

    def _synced(self, inode: int) -> None:
        present = self._look()
        for place, node in self._by_place.items():
            if node == self._by_inode.get(inode):
                self._force(place, present)

    def _force(self, place: str, present: Tree) -> None:
        """What is at `place` is on the disk now; of a folder, its names."""
        node = self._nodes[self._by_place[place]]
        if node.folder:
            start = f"{place}/" if place else ""
            inside = {other.removeprefix(start): number for other, number in self._by_place.items()}
            node.entries = {
                name: number
                for name, number in inside.items()
                if name and "/" not in name and f"{start}{name}" in self._by_place
            }
        else:
            node.content = present[place] or b""

    def _look(self) -> Tree:
        """All that is there now."""
        found: Tree = {}
        inodes: dict[int, int] = {}
        places: dict[str, int] = {}
        for path in (self._root, *sorted(self._root.rglob("*"))):
            place = "" if path == self._root else path.relative_to(self._root).as_posix()
            if any(is_passing(part) for part in place.split("/")):
                continue
            folder, inode = path.is_dir(), path.lstat().st_ino
            if inode not in self._by_inode:
                self._nodes.append(_Node(folder))
                self._by_inode[inode] = len(self._nodes) - 1
            inodes[inode] = places[place] = self._by_inode[inode]
            if place:
                found[place] = None if folder else self._read(path)
        self._by_inode, self._by_place = inodes, places
        return found

    def _read(self, path: Path) -> bytes:
        content = path.read_bytes()
        return self._contents.setdefault(hashlib.sha256(content).digest(), content)

    def _forced_content(self, present: Tree, kept: float) -> Tree:
        """All names, but of content that was not forced only this share."""
        return {
            place: None if content is None else self._cut(self._nodes[self._by_place[place]].content, content, kept)
            for place, content in present.items()
        }

    @staticmethod
    def _cut(forced: bytes, present: bytes, kept: float) -> bytes:
        if not present.startswith(forced):
            return forced
        return present[: len(forced) + int(kept * (len(present) - len(forced)))]

    def _walk(self, number: int, place: str, found: Tree) -> None:
        for name, inner in self._nodes[number].entries.items():
            path = f"{place}/{name}" if place else name
            node = self._nodes[inner]
            found[path] = None if node.folder else node.content
            if node.folder:
                self._walk(inner, path, found)


def rebuild(tree: Tree, root: Path) -> None:
    """Make `tree` the content of the empty folder `root`."""
    for place, content in sorted(tree.items()):
        path = root / place
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def half_written(moments: list[Moment]) -> Iterator[tuple[Moment, Tree]]:
    """Killed inside of what was written between two moments by calls that can't be watched: a file half there."""
    for before, after in pairwise(moments):
        for place, content in after.killed.items():
            old = before.killed.get(place, b"")
            in_place = place in before.killed or any(is_temporary(part) for part in place.split("/"))
            if not in_place or content is None or old is None or content == old or not content.startswith(old):
                continue
            half = content[: (len(old) + len(content)) // 2]
            yield before, {**before.killed, place: half}
