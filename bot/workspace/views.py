"""The modals and App Home tabs that people have in front of them."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

from bot.workspace.app import App
from bot.workspace.errors import RefusedError
from bot.workspace.forms import kept_values
from bot.workspace.ids import Ids
from bot.workspace.interactive import with_ids
from bot.workspace.records import Json, Team, View

MOST_STACKED = 3


class Views:
    """One stack of modals and one App Home tab per user; the last modal of a stack is the one in front."""

    def __init__(self, *, team: Team, app: App, ids: Ids, changed: Callable[[], None]) -> None:
        self._team = team
        self._app = app
        self._ids = ids
        self._changed = changed
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}

    def stack(self, user_id: str) -> tuple[View, ...]:
        """Return the user's open modals, the one in front last."""
        return tuple(self._stacks.get(user_id, ()))

    def home(self, user_id: str) -> View | None:
        """Return what the app published to the user's App Home, if anything yet."""
        return self._homes.get(user_id)

    def get(self, view_id: str) -> View:
        """Return the open view *view_id* or refuse with ``not_found``."""
        return self._only(view for view in self._all() if view.id == view_id)

    def with_external_id(self, external_id: str) -> View:
        """Return the open view that the app named *external_id* or refuse with ``not_found``."""
        return self._only(view for view in self._all() if view.definition.get("external_id") == external_id)

    def open(self, user_id: str, definition: Json) -> View:
        """Put a modal before the user, on an empty stack."""
        view = self._new(user_id, definition)
        self._stacks[user_id] = [view]
        self._changed()
        return view

    def push(self, user_id: str, definition: Json, *, within: str | None) -> View:
        """Put a modal on top of the stack in which the modal *within* is open; refuses a fourth."""
        stack = self._stacks.get(user_id, [])
        if within not in {view.id for view in stack}:
            raise RefusedError("not_found")
        if len(stack) >= MOST_STACKED:
            raise RefusedError("push_limit_reached")
        view = replace(self._new(user_id, definition), root_view_id=stack[0].id, previous_view_id=stack[-1].id)
        stack.append(view)
        self._changed()
        return view

    def update(self, view: View, definition: Json) -> View:
        """Show *definition* in place of what *view* shows; what was entered into inputs that stay is kept."""
        updated = replace(view, definition=self._filled(definition, instead_of=view), hash=self._ids.next("h"))
        updated = replace(updated, values=kept_values(updated.blocks, view.values))
        self._put(updated)
        return updated

    def enter(self, view: View, values: Json) -> View:
        """Remember what the user has typed into *view* so far."""
        entered = replace(view, values=values)
        self._put(entered)
        return entered

    def publish(self, user_id: str, definition: Json) -> View:
        """Show *definition* as the user's App Home."""
        published = self._homes.get(user_id)
        if published is None:
            self._homes[user_id] = self._new(user_id, definition)
            self._changed()
        else:
            self.update(published, definition)
        return self._homes[user_id]

    def close(self, view: View) -> None:
        """Take *view* and what lies on top of it off its user's stack."""
        stack = self._stacks.get(view.user_id, [])
        ids = [other.id for other in stack]
        if view.id in ids:
            del stack[ids.index(view.id) :]
        self._changed()

    def clear(self, user_id: str) -> None:
        """Take all modals away from the user."""
        self._stacks.pop(user_id, None)
        self._changed()

    def _all(self) -> Iterator[View]:
        yield from self._homes.values()
        for stack in self._stacks.values():
            yield from stack

    def _only(self, found: Iterator[View]) -> View:
        view = next(found, None)
        if view is None:
            raise RefusedError("not_found")
        return view

    def _new(self, user_id: str, definition: Json) -> View:
        view_id = self._ids.next("V")
        return View(
            id=view_id,
            user_id=user_id,
            team_id=self._team.id,
            app_id=self._app.id,
            bot_id=self._app.bot_id,
            hash=self._ids.next("h"),
            definition=self._filled(definition),
            root_view_id=view_id,
        )

    def _filled(self, definition: Json, *, instead_of: View | None = None) -> Json:
        external_id = definition.get("external_id")
        others = (view for view in self._all() if instead_of is None or view.id != instead_of.id)
        if external_id and any(view.definition.get("external_id") == external_id for view in others):
            raise RefusedError("duplicate_external_id")
        copied = copy.deepcopy(definition)
        return copied | {"blocks": with_ids(copied["blocks"], self._ids)}

    def _put(self, view: View) -> None:
        if view.definition["type"] == "home":
            self._homes[view.user_id] = view
        else:
            stack = self._stacks.get(view.user_id, [])
            stack[:] = [view if other.id == view.id else other for other in stack]
        self._changed()
