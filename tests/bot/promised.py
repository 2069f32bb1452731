"""What is promised of an action as JSON, on the command line and over HTTP."""

from typing import Final

FIELDS: Final = frozenset(
    {
        "id", "action_name", "subject", "target", "parameters", "reason", "urgency", "expected_outcome", "risks",
        "risk", "status", "outcome", "reason_code", "required_approvals", "approvals", "approved_by_rule", "missing",
        "proposed_by", "proposed_at", "expires_at", "approval_expires_at", "not_before", "detail", "impact",
        "supersedes", "replaced_by", "changes", "retry_of", "undo_of", "break_glass", "review", "record", "audit",
    }
)  # fmt: skip
