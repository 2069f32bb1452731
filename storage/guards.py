"""Triggers by which the databases themselves refuse what no part of this program does."""

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

_EMPTIED: Final = {
    "audit_is_not_emptied": ("audit", "the audit log is only added to"),
    "checkpoints_are_not_emptied": ("checkpoints", "checkpoints are only added"),
    "approvals_are_not_emptied": ("approvals", "an approval is never taken back"),
    "proposals_are_not_emptied": ("proposals", "a proposal is never deleted"),
}
_REFUSE: Final = """
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
END"""


def _on_rows(name: str, occasion: str, refusal: str) -> str:
    event, _, condition = occasion.partition(" WHEN ")
    # As PostgreSQL spells it.
    when = f"WHEN ({condition.replace('NEW', 'new').replace('OLD', 'old')}) " if condition else ""
    return f"CREATE TRIGGER {name} BEFORE {event} FOR EACH ROW {when}EXECUTE FUNCTION operator_refuses('{refusal}')"


POSTGRESQL_GUARDS: Final = {
    "operator_refuses": _REFUSE,
    **{name: _on_rows(name, occasion, refusal) for name, (occasion, refusal) in _REFUSALS.items()},
    **{
        name: f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION operator_refuses('{refusal}')"
        for name, (table, refusal) in _EMPTIED.items()
    },
}
"""The same for PostgreSQL: the body of the function that refuses, and each trigger exactly as it is given back."""
