"""``views.*``: modals and the App Home."""

from collections.abc import Mapping

from bot.workspace.call import Call
from bot.workspace.errors import RefusedError
from bot.workspace.method import Method
from bot.workspace.posting import view_definition
from bot.workspace.records import Json, View


def open_modal(call: Call) -> Json:
    """Open a modal for whoever caused the trigger."""
    definition = _definition(call, "modal")
    trigger = call.state.triggers.redeem(call.required("trigger_id", error="invalid_trigger_id"))
    return {"view": call.state.views.open(trigger.user_id, definition).to_json()}


def push(call: Call) -> Json:
    """Put a modal on top of the one in which the trigger was caused."""
    definition = _definition(call, "modal")
    trigger = call.state.triggers.redeem(call.required("trigger_id", error="invalid_trigger_id"))
    return {"view": call.state.views.push(trigger.user_id, definition, within=trigger.view_id).to_json()}


def update(call: Call) -> Json:
    """Replace what an open view shows; with ``hash`` only if nobody did so since."""
    view = _named(call)
    if call.text("hash") not in {None, view.hash}:
        raise RefusedError("hash_conflict")
    return {"view": call.state.views.update(view, _definition(call, view.definition["type"])).to_json()}


def publish(call: Call) -> Json:
    """Show a view in a user's App Home."""
    if not call.app.home_tab:
        raise RefusedError("not_enabled")
    user = call.state.user(call.required("user_id", error="user_not_found"))
    definition = _definition(call, "home")
    published = call.state.views.home(user.id)
    if published and call.text("hash") not in {None, published.hash}:
        raise RefusedError("hash_conflict")
    return {"view": call.state.views.publish(user.id, definition).to_json()}


def _named(call: Call) -> View:
    external_id = call.text("external_id")
    if external_id is not None:
        return call.state.views.with_external_id(external_id)
    return call.state.views.get(call.required("view_id"))


def _definition(call: Call, kind: str) -> Json:
    return view_definition(call.structure("view", error="invalid_arguments"), kind=kind)


METHODS: Mapping[str, Method] = {
    "views.open": Method(open_modal),
    "views.push": Method(push),
    "views.update": Method(update),
    "views.publish": Method(publish),
}
