"""Extra buttons on the page: the workspace shows and calls them, whoever runs it knows what they do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.workspace.records import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelButton:
    """A button; *press* does it and returns a sentence that says what happened."""

    id: str
    label: str
    press: Callable[[], Awaitable[str]]
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A titled group of buttons."""

    id: str
    title: str
    buttons: tuple[PanelButton, ...]
    description: str = ""

    def to_json(self) -> Json:
        """The panel as the page shows it."""
        return {
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "buttons": [
                {"id": button.id, "label": button.label, "description": button.description} for button in self.buttons
            ],
        }
