"""What came of a proposal besides its own outcome, read for its card."""

from actions.drafts import retry_source, undo_source
from actions.lifecycle import CANCELLED, EXPIRED
from actions.ports import Dossier, OutboxKind, Reader
from actions.successors import newest_from
from bot.links import Links
from bot.views.card_view import FollowUp, FollowUps


def gather(reader: Reader, dossier: Dossier, links: Links) -> FollowUps:
    """Return what replaced it, takes it back and tries it again, with links to their cards."""

    def follow_up(proposal_id: int | None) -> FollowUp | None:
        if proposal_id is None:
            return None
        return FollowUp(id=proposal_id, link=links.to(reader.message(OutboxKind.CARD, str(proposal_id))))

    number = dossier.proposal.id
    return FollowUps(
        replaced_by=follow_up(dossier.replaced_by),
        undo=follow_up(_from(reader, undo_source(number))),
        retry=follow_up(_from(reader, retry_source(number))),
    )


def _from(reader: Reader, source_key: str) -> int | None:
    found = newest_from(reader, source_key)
    # What ended without having begun can be asked for once more.
    return found.id if found is not None and found.status not in {CANCELLED, EXPIRED} else None
