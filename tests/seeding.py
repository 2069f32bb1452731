"""Bugs that are put into the code while it is imported, to see that they are found. Nothing on disk changes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType


@dataclass(frozen=True, kw_only=True, slots=True)
class Bug:
    """What is replaced, exactly once, by what."""

    module: str
    old: str
    new: str


class Seeded(SourceFileLoader):
    """Loads a module with the bugs in it."""

    def __init__(self, name: str, path: str, bugs: Sequence[Bug]) -> None:
        super().__init__(name, path)
        self._bugs = bugs

    def get_code(self, fullname: str) -> CodeType:
        text = Path(self.path).read_text()
        for bug in self._bugs:
            count = text.count(bug.old)
            if count != 1:
                raise ValueError(f"{bug.old!r} stands {count} times in {fullname}")
            text = text.replace(bug.old, bug.new)
        return compile(text, self.path, "exec")


class Finder(MetaPathFinder):
    """Finds the modules that get a bug."""

    def __init__(self, bugs: Sequence[Bug]) -> None:
        self._bugs = bugs

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        bugs = [bug for bug in self._bugs if bug.module == fullname]
        spec = PathFinder.find_spec(fullname, path, target) if bugs else None
        if spec is not None and spec.origin is not None:
            spec.loader = Seeded(fullname, spec.origin, bugs)
        return spec


def plant(*bugs: Bug) -> None:
    """Let every later import find these bugs; one that came too late would prove nothing, so it is an error."""
    imported = [bug.module for bug in bugs if bug.module in sys.modules]
    if imported:
        raise ImportError(f"imported before its bug was planted: {', '.join(imported)}")
    sys.meta_path.insert(0, Finder(bugs))
