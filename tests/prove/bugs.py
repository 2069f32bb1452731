"""The bugs that harnesses must find: each is one wrong line that has broken a system of this kind before."""

from collections.abc import Mapping
from typing import Final

from tests.seeding import Bug

BUGS: Final[Mapping[str, tuple[Bug, ...]]] = {
    "kill without a new epoch": (
        Bug(
            module="actions.safety",
            old="epoch=before.epoch + 1,",
            new="epoch=before.epoch + (stopped_as is ReasonCode.MODE_OBSERVE),",
        ),
    ),
    "approval counted per click": (
        Bug(
            module="actions.decisions",
            old="if not tx.insert_approval(approval):",
            new="if not tx.insert_approval(approval) and earlier > proposal.required_approvals:",
        ),
    ),
    "stale fence accepted": (
        Bug(
            module="actions.attempt",
            old="        if current is None or not mine:\n",
            new="        if current is None:\n",
        ),
    ),
}
"""By name. `no status guard`, `no mode guard`, `audit in its own transaction`, `send before claim` and
`sleep in the writer` belong here too."""
