"""The team that a new workspace starts with."""

from bot.workspace.records import Channel, Team, User, UserGroup
from bot.workspace.state import State

TEAM = Team(id="T0LOCAL", name="Local workspace", domain="local")
OTHER_TEAM_ID = "T0OTHER"

USERS = (
    User(id="U0ANN", name="ann", real_name="Ann", team_id=TEAM.id),
    User(id="U0BO", name="bo", real_name="Bo", team_id=TEAM.id),
    User(id="U0GUEST", name="guest", real_name="Guest", team_id=TEAM.id, is_restricted=True),
    User(id="U0GONE", name="gone", real_name="Gone", team_id=TEAM.id, deleted=True),
    User(id="U0STRANGER", name="stranger", real_name="Stranger", team_id=OTHER_TEAM_ID, is_stranger=True),
)
ONCALL = UserGroup(id="S0ONCALL", handle="oncall", name="On call", user_ids=("U0ANN", "U0BO"))


def populate(state: State) -> None:
    """Add the people, the group and three channels; the app is in all of them but #elsewhere."""
    for user in USERS:
        state.put_user(user)
    state.put_group(ONCALL)
    people = frozenset(user.id for user in USERS)
    with_app = people | {state.app.bot_user_id}
    state.put_channel(Channel(id="C0OPS", name="ops", members=with_app, topic="Where the app reports"))
    state.put_channel(Channel(id="C0INCIDENT42", name="incident-42", members=with_app, topic="One incident"))
    state.put_channel(Channel(id="C0ELSEWHERE", name="elsewhere", members=people, topic="The app is not here"))
