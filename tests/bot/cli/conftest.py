import os
from pathlib import Path

import pytest

from tests.bot.cli.home import Home


@pytest.fixture(autouse=True)
def blockbuster() -> None:
    """A command is alone in its event loop, so that it may block there."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Home:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("OPERATOR_", "SLACK_")) or name == "SUDO_USER":
            monkeypatch.delenv(name)
    return Home(tmp_path, capsys)
