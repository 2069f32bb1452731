"""A disk that loses its power: what was synced is there; of everything else any part may be, sector by sector.

A name (of a file made, renamed or removed) is durable once the folder that it stands in was synced.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from tests.prove.shim.recording import Event, What

SECTOR: Final = 512
_NOT_KEPT: Final = "-shm"
"""Shared memory: nobody expects to find it after a power cut."""


class Fate(StrEnum):
    """What becomes of everything that was not synced."""

    LOST = "lost"
    KEPT = "kept"
    ANY = "any"
    """Each change for itself is kept, lost or torn, so that a later one may be there without an earlier one."""
    CUT = "cut"
    """In order up to one that is torn; the rest is lost."""


@dataclass(slots=True)
class _Write:
    at: int
    content: bytes

    def apply(self, to: bytearray) -> None:
        if len(to) < self.at:
            to.extend(bytes(self.at - len(to)))
        to[self.at : self.at + len(self.content)] = self.content

    def torn(self, chance: Random) -> Iterator["_Write"]:
        start = self.at
        end = self.at + len(self.content)
        while start < end:
            stop = min(end, (start // SECTOR + 1) * SECTOR)
            if chance.random() < 0.5:
                yield _Write(start, self.content[start - self.at : stop - self.at])
            start = stop


@dataclass(slots=True)
class _Cut:
    length: int

    def apply(self, to: bytearray) -> None:
        del to[self.length :]
        to.extend(bytes(self.length - len(to)))

    def torn(self, chance: Random) -> Iterator["_Cut"]:
        if chance.random() < 0.5:
            yield self


_Change: TypeAlias = _Write | _Cut


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[_Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.unsynced:
            change.apply(self.durable)

    def after(self, fate: Fate, chance: Random) -> bytearray:
        found = bytearray(self.durable)
        for change in _surviving(self.unsynced, fate, chance):
            change.apply(found)
        return found


class _Folder:
    """A folder holds nothing itself; the names in it are those that begin with its own."""


_Node: TypeAlias = _File | _Folder


class Disk:
    """One folder on it, as the events tell."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[Path, _Folder] = {root: _Folder()}
        self._names: dict[Path, _Node] = {}
        self._durable: dict[Path, _Node] = {}
        self._changes: list[tuple[Path, _Node | None]] = []
        self._open: dict[int, tuple[Path, _Node]] = {}

    @classmethod
    def holding(cls, state: Path, root: Path) -> "Disk":
        """Return a disk on which everything that *state* holds is durable, and stands below *root*."""
        disk = cls(root)
        for path in sorted(state.rglob("*")):
            node = _Folder() if path.is_dir() else _File(durable=bytearray(path.read_bytes()))
            place = root / path.relative_to(state)
            disk._names[place] = disk._durable[place] = node
        return disk

    def take(self, event: Event) -> None:
        """Let the next thing happen."""
        match event.what:
            case What.OPENED:
                self._opened(event)
            case What.SYNCED | What.SYNC_FAILED:
                self._synced(event)
            case What.WROTE:
                self._file(event).unsynced.append(_Write(event.number, event.text))
            case What.TRUNCATED:
                self._file(event).unsynced.append(_Cut(event.number))
            case _:
                self._named(event)

    def lose_power(self, target: Path, fate: Fate, chance: Random) -> None:
        """Write what is found when the power is back below *target*, which must not exist."""
        target.mkdir(mode=0o700)
        for path, node in sorted(self._names_after(fate, chance).items()):
            place = target / path.relative_to(self._root)
            if not place.parent.is_dir() or path.name.endswith(_NOT_KEPT):
                continue
            if isinstance(node, _Folder):
                place.mkdir(mode=0o700)
            else:
                descriptor = os.open(place, os.O_WRONLY | os.O_CREAT, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(node.after(fate, chance))

    @property
    def unsynced(self) -> int:
        """How many changes could be lost now."""
        files = {id(node): node for node in self._names.values() if isinstance(node, _File)}
        return len(self._changes) + sum(len(file.unsynced) for file in files.values())

    def _opened(self, event: Event) -> None:
        node = self._names.get(event.path) or (self._folders.get(event.path))
        if node is None:
            self._name(event.path, node := _File())
        elif event.number & 2 and isinstance(node, _File):
            node.unsynced.append(_Cut(0))
        self._open[event.handle] = event.path, node

    def _file(self, event: Event) -> _File:
        _, node = self._open[event.handle]
        if not isinstance(node, _File):
            raise TypeError(f"{event} writes to a folder")
        return node

    def _synced(self, event: Event) -> None:
        path, node = self._open[event.handle]
        failed = event.what is What.SYNC_FAILED
        if isinstance(node, _File):
            # After a failure Linux takes the pages for clean: the next sync succeeds without having written them.
            if not failed:
                node.sync()
            node.unsynced.clear()
        elif not failed:
            for name, what in self._changes:
                if name.parent == path:
                    _set(self._durable, name, what)
            self._changes = [change for change in self._changes if change[0].parent != path]

    def _named(self, event: Event) -> None:
        match event.what:
            case What.RENAMED:
                old, new = (Path(name) for name in event.text.decode().split("\n"))
                self._name(new, self._names[old])
                self._name(old, None)
            case What.UNLINKED:
                self._name(event.path, None)
            case What.MADE_FOLDER:
                self._name(event.path, _Folder())
            case _:
                pass  # somebody said something, or a call did nothing

    def _name(self, path: Path, node: _Node | None) -> None:
        _set(self._names, path, node)
        self._changes.append((path, node))

    def _names_after(self, fate: Fate, chance: Random) -> dict[Path, _Node]:
        found = dict(self._durable)
        kept = self._changes
        if fate is Fate.LOST:
            kept = []
        elif fate is not Fate.KEPT:
            kept = [change for change in kept if chance.random() < 0.5]
        for name, what in kept:
            _set(found, name, what)
        return found


def _set(names: dict[Path, _Node], name: Path, node: _Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _surviving(changes: list[_Change], fate: Fate, chance: Random) -> Iterator[_Change]:
    match fate:
        case Fate.LOST:
            return
        case Fate.KEPT:
            yield from changes
        case Fate.CUT:
            whole = chance.randrange(len(changes) + 1)
            yield from changes[:whole]
            for change in changes[whole : whole + 1]:
                yield from _torn(change, chance)
        case Fate.ANY:
            for change in changes:
                yield from chance.choice([_whole, _whole, _torn, _lost, _lost])(change, chance)


def _whole(change: _Change, _: Random) -> Iterator[_Change]:
    yield change


def _torn(change: _Change, chance: Random) -> Iterator[_Change]:
    yield from change.torn(chance)


def _lost(_: _Change, __: Random) -> Iterator[_Change]:
    yield from ()
