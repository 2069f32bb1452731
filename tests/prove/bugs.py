"""The bugs that harnesses must find: each is one wrong line that has broken a system of this kind before."""

from collections.abc import Mapping
from typing import Final

from tests.seeding import Bug

BUGS: Final[Mapping[str, tuple[Bug, ...]]] = {
    "no status guard": (
        Bug(
            module="actions.attempt",
            old="if proposal.status is not APPROVED or proposal.attempts:",
            new="if proposal.attempts > 1:",
        ),
        Bug(
            module="actions.transitions",
            old="if proposal.status not in row.sources:",
            new="if not row.sources:",
        ),
        Bug(
            module="storage.proposals",
            old='_P.status == bindparam("old_status"),',
            new='or_(_P.status == bindparam("old_status"), _P.id > 0),',
        ),
    ),
    "no mode guard": (
        Bug(
            module="actions.safety",
            old="stop = next((row for row in (overall, own) if row.mode is not SafetyMode.EXECUTE), None)",
            new="stop = None",
        ),
        Bug(
            module="actions.executor",
            old="if control.mode is not SafetyMode.EXECUTE or self._kill_files.present():",
            new="if self._kill_files.present():",
        ),
    ),
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
            new="again = not tx.insert_approval(approval)\n        if again and proposal.required_approvals < 2:",
        ),
        Bug(
            module="actions.decisions",
            old="enough = not still_missing(tx, self.policy, proposal)\n",
            new="enough = again or not still_missing(tx, self.policy, proposal)\n",
        ),
    ),
    "identities counted as people": (
        Bug(module="actions.decisions", old="person=decision.person,", new="person=str(ask.by.actor),"),
    ),
    "groups counted as people": (
        Bug(
            module="actions.policy",
            old="people = {approval.person for approval in counted}",
            new="people = {(each.person, name) for each in counted for name in each.groups or (each.person,)}",
        ),
    ),
    "needed groups not asked for": (
        Bug(module="actions.policy", old="groups=tuple(sorted(quorum.needs - groups)),", new="groups=(),"),
    ),
    "the last approval lost": (
        # Each of two that come at once sees the other's missing, so that nobody is the last.
        Bug(
            module="actions.decisions",
            old="if not tx.insert_approval(approval):",
            new="before = still_missing(tx, self.policy, proposal)\n        if not tx.insert_approval(approval):",
        ),
        Bug(
            module="actions.decisions",
            old="enough = not still_missing(tx, self.policy, proposal)\n",
            new="enough = not before\n",
        ),
    ),
    "stale fence accepted": (
        Bug(
            module="actions.attempt",
            old="        if current is None or not mine:\n",
            new="        if current is None:\n",
        ),
    ),
    "synchronous normal": (Bug(module="storage.engine", old="_FULL: Final = 2\n", new="_FULL: Final = 1\n"),),
    "answered before the commit": (
        Bug(
            module="storage.writer",
            old="            self._session.commit()\n",
            new="            give(answers)\n            self._session.commit()\n",
        ),
    ),
    "send before claim": (
        Bug(
            module="actions.executor",
            old="        await self._run(await self._claim(proposal_id))\n",
            new=(
                "        early = await self._proposal(proposal_id)\n"
                "        definition = self._registry.get(early.action_name)\n"
                "        await definition.execute(parameters_of(definition, early), lambda _: asyncio.timeout(None))\n"
                "        await self._run(await self._claim(proposal_id))\n"
            ),
        ),
        Bug(
            module="actions.run",
            old="                return await self._definition.execute(parameters, self.step)\n",
            new='                return Done(detail=f"sent before {parameters}")\n',
        ),
    ),
    "decided on what was read before": (
        # The upstream way: look, think, then write what follows from what was seen.
        Bug(
            module="actions.executor",
            old="self._attempts.claim(tx, proposal_id, ready, self._clock.now())",
            new="self._attempts.claim(tx, proposal, ready, self._clock.now())",
        ),
        Bug(
            module="actions.attempt",
            old="        found = tx.proposal(proposal_id)\n        if found is None:\n            return Unknown",
            new="        found = proposal_id\n        if found is None:\n            return Unknown",
        ),
        Bug(
            module="actions.attempt",
            old="proposal = tx.proposal(proposal_id) or found\n",
            new="proposal = found\n",
        ),
        Bug(
            module="storage.proposals",
            old="""        _P.status == bindparam("old_status"),
        _P.version == bindparam("old_version"),
        _P.fence == bindparam("old_fence"),
""",
            new="""        or_(_P.id > 0, _P.status == bindparam("old_status")),
        or_(_P.id > 0, _P.version == bindparam("old_version")),
        or_(_P.id > 0, _P.fence == bindparam("old_fence")),
""",
        ),
    ),
    "the kill file is not looked at": (
        Bug(
            module="actions.safety",
            old="    held = kill_files.present()\n    if held:\n        return KilledError",
            new="    held = []\n    if held:\n        return KilledError",
        ),
        Bug(
            module="actions.run",
            old="        held = self._kill_files.present()\n",
            new="        held: list[str] = []\n",
        ),
    ),
    "replays not looked up": (
        Bug(
            module="bot.gate",
            old="if await self._replays.seen_before(signature.decode()):",
            new="if not body and await self._replays.seen_before(signature.decode()):",
        ),
    ),
    "signature compared in part": (
        Bug(
            module="bot.gate",
            old="hmac.compare_digest(_sign(secret, timestamp, body), signature) for",
            new="hmac.compare_digest(_sign(secret, timestamp, body)[:48], signature[:48]) for",
        ),
    ),
    "time compared one way": (
        Bug(
            module="bot.gate",
            old="if abs(self._clock.now().timestamp() - int(timestamp)) > TOLERANCE:",
            new="if self._clock.now().timestamp() - int(timestamp) > TOLERANCE:",
        ),
    ),
    "header of a stranger in the log": (Bug(module="bot.gate", old="ascii(client[0])[1:46])", new="client[0])"),),
}
"""By name. `audit in its own transaction` and `sleep in the writer` belong here too."""
