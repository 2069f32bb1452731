"""Proposals before they are stored: made from a recommendation, or from a proposal whose ground has shifted."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from actions.canonical import digest
from actions.diagnosis.models import ActionRecommendation
from actions.models import ActionProposal, ActionStatus, Caller, Risk
from actions.ports import ButtonTokens, Entropy, Policy
from actions.registry import ActionDefinition, Parameters
from actions.validation import canonical_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposition:
    """A recommendation together with where it comes from."""

    recommendation: ActionRecommendation
    source_key: str
    """Unique for this recommendation; the same key again returns the proposal made the first time."""
    by: Caller
    proposed_by: str | None = None
    """Whose idea it is, who then cannot approve it; None is *by*."""
    diagnosis_id: int | None = None
    channel: str | None = None
    retry_of: int | None = None
    supersedes: int | None = None
    undo_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """Makes drafts: proposals with secrets of their own that have no id and no epoch yet."""

    policy: Policy
    entropy: Entropy
    button_tokens: ButtonTokens
    lifetimes: Mapping[Risk, timedelta]

    def new(
        self, proposition: Proposition, definition: ActionDefinition[Any], parameters: Parameters, at: datetime
    ) -> ActionProposal:
        """Return what *proposition* becomes with these checked parameters."""
        said, stored = proposition.recommendation, canonical_parameters(parameters)
        token = self.entropy.token()
        return ActionProposal(
            id=0,
            token=token,
            button_hash=button_hash(self.button_tokens.token_for(token)),
            source_key=proposition.source_key,
            action_name=definition.name,
            definition_hash=definition.definition_hash,
            parameters=stored,
            params_hash=digest(stored),
            subject=definition.subject,
            target=definition.target(parameters),
            risk=definition.risk,
            required_approvals=self._people(definition.subject, definition.name, definition.risk),
            reason=said.reason,
            urgency=said.urgency,
            expected_outcome=said.expected_outcome,
            risks=said.risks,
            proposed_by=proposition.proposed_by or str(proposition.by.actor),
            proposed_at=at,
            expires_at=at + self.lifetimes[definition.risk],
            epoch=0,
            subject_epoch=0,
            diagnosis_id=proposition.diagnosis_id,
            channel=proposition.channel,
            retry_of=proposition.retry_of,
            supersedes=proposition.supersedes,
            undo_of=proposition.undo_of,
        )

    def again(self, old: ActionProposal, at: datetime) -> ActionProposal:
        """Return the same action on the same target, to be read and decided anew in the place of *old*."""
        token = self.entropy.token()
        return replace(
            old,
            id=0,
            token=token,
            button_hash=button_hash(self.button_tokens.token_for(token)),
            source_key=renewed_source(old.id),
            required_approvals=self._people(old.subject, old.action_name, old.risk),
            proposed_at=at,
            expires_at=at + self.lifetimes[old.risk],
            status=ActionStatus.PROPOSED,
            version=1,
            supersedes=old.id,
            break_glass="",
            pins={},
            before={},
            impact=(),
            approved_at=None,
            approval_expires_at=None,
            not_before=None,
            outcome=None,
            reason_code=None,
            detail="",
        )

    def _people(self, subject: str, action_name: str, risk: Risk) -> int:
        return self.policy.quorum(subject=subject, action_name=action_name, risk=risk).people


def undo_source(proposal_id: int) -> str:
    """Return the source key of what takes this action back."""
    return f"undo:{proposal_id}"


def retry_source(proposal_id: int) -> str:
    """Return the source key of what tries this action again at the press of a button."""
    return f"retry:{proposal_id}"


def once_more_source(source_key: str, ended_id: int) -> str:
    """Return the source key of what is asked for once more, after its last proposal ended without having begun."""
    return f"{source_key}@{ended_id}"


def renewed_source(proposal_id: int) -> str:
    """Return the source key of what is proposed in the place of this proposal, because its target has moved."""
    return f"renewed:{proposal_id}"


def edit_source(proposal_id: int) -> str:
    """Return the source key of what a person made of this proposal; each is edited at most once."""
    return f"edited:{proposal_id}"


def button_hash(button_token: str) -> str:
    """Return what is stored of a button token."""
    return hashlib.sha256(button_token.encode("utf-8", "surrogatepass")).hexdigest()


def recommendation_like(proposal: ActionProposal, parameters: Mapping[str, Any]) -> ActionRecommendation:
    """Return the recommendation that *proposal* came from, with these parameters."""
    return ActionRecommendation(
        action_name=proposal.action_name,
        parameters=dict(parameters),
        reason=proposal.reason,
        urgency=proposal.urgency,
        expected_outcome=proposal.expected_outcome,
        risks=proposal.risks,
    )


def retried(failed: ActionProposal, by: Caller, parameters: Mapping[str, Any] | None = None) -> Proposition:
    """Return the same again, or with other *parameters*. It stays the idea of who had it."""
    return Proposition(
        recommendation=recommendation_like(failed, failed.parameters if parameters is None else parameters),
        source_key=retry_source(failed.id),
        by=by,
        proposed_by=failed.proposed_by,
        diagnosis_id=failed.diagnosis_id,
        channel=failed.channel,
        retry_of=failed.id,
    )
