"""Triggers by which the database itself refuses what no part of this program does."""

from typing import Final

_SUBJECT_MATTER: Final = (
    "id, token, button_hash, source_key, action_name, definition_hash, parameters, params_hash, subject, target"
)
_REFUSALS: Final = {
    "audit_is_not_edited": ("UPDATE ON audit", "the audit log is only added to"),
    "audit_is_not_deleted": ("DELETE ON audit", "the audit log is only added to"),
    "checkpoints_are_not_edited": ("UPDATE ON checkpoints", "checkpoints are only added"),
    "checkpoints_are_not_deleted": ("DELETE ON checkpoints", "checkpoints are only added"),
    "approvals_are_not_edited": ("UPDATE ON approvals", "an approval is never changed"),
    "approvals_are_not_deleted": ("DELETE ON approvals", "an approval is never taken back"),
    "proposals_keep_their_matter": (f"UPDATE OF {_SUBJECT_MATTER} ON proposals", "what was proposed is never changed"),
    "proposals_are_not_deleted": ("DELETE ON proposals", "a proposal is never deleted"),
    "proposals_only_go_on": (
        "UPDATE ON proposals WHEN NEW.version < OLD.version OR NEW.fence < OLD.fence",
        "version and fence only grow",
    ),
}

GUARDS: Final = {
    name: f"CREATE TRIGGER {name} BEFORE {occasion} BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    for name, (occasion, refusal) in _REFUSALS.items()
}
"""Each trigger's name and the statement that made it, exactly as SQLite keeps it."""
