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
            old="if control.mode is not SafetyMode.EXECUTE or self._kill_files.present(draft.subject):",
            new="if self._kill_files.present(draft.subject):",
        ),
    ),
    "kill without a new epoch": (
        Bug(
            module="actions.safety",
            old="epoch=before.epoch + 1,",
            new="epoch=before.epoch + (stopped_as is ReasonCode.MODE_OBSERVE),",
        ),
    ),
    "no change of mode makes a new epoch": (
        Bug(module="actions.safety", old="epoch=before.epoch + 1,", new="epoch=before.epoch + (before.epoch < 1),"),
    ),
    "what was replaced stays up for decision": (
        Bug(
            module="actions.successors",
            old="    for rival in rivals.values():\n        _supersede(tx, rival, born, by=by, at=at)\n",
            new="",
        ),
    ),
    "drift is not looked at": (
        Bug(
            module="actions.successors",
            old="        drift = drift_of(proposal.pins, now_there.pins)\n",
            new='        drift = ""\n',
        ),
    ),
    "broken glass is not reviewed": (
        Bug(module="actions.break_glass", old="        tx.save_review(review)\n", new=""),
    ),
    "approval counted per click": (
        Bug(
            module="actions.decisions",
            old="if not tx.insert_approval(approval):",
            new="if not tx.insert_approval(approval) and proposal.id < 0:",
        ),
        Bug(
            module="actions.decisions",
            old="enough = not still_missing(tx, self.policy, proposal)",
            new="enough = proposal.version > proposal.required_approvals",
        ),
    ),
    "identities counted as people": (
        Bug(module="actions.admission", old="person=decision.person,", new="person=str(ask.by.actor),"),
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
    "goes on after a failed sync": (
        Bug(
            module="storage.writer",
            old="            self._disk_failed = StorageError(str(self._database.translated(error)))\n",
            new='            log.error("that was the disk", exc_info=error)\n',
        ),
    ),
    "no answer taken for not sent": (
        Bug(
            module="actions.subjects.transport",
            old="            raise OutcomeUnknownError(endpoint, _detail(error)) from error\n",
            new="            raise NotSentError(endpoint, _why(error), _detail(error)) from error\n",
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
        # Look, think, then write what follows from what was seen: the commonest way to run something twice.
        Bug(
            module="actions.executor",
            old="self.attempts.claim(tx, proposal_id, ready, self._clock.now())",
            new="self.attempts.claim(tx, proposal, ready, self._clock.now())",
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
            old="        guard = _guard(proposal)\n",
            new="        guard = _guard(current or proposal)\n",
        ),
    ),
    "the wrong winner is named": (
        Bug(
            module="actions.decisions",
            old="return decided[-1] if decided else None",
            new="return decided[0] if decided else None",
        ),
    ),
    "a kill that does not list what runs": (
        Bug(
            module="actions.safety",
            old="statuses=(EXECUTING, UNKNOWN), subject=subject",
            new="statuses=(UNKNOWN,), subject=subject",
        ),
    ),
    "the same click is taken anew": (
        Bug(
            module="actions.decisions",
            old="earlier = tx.inbox(ask.by.key)",
            new="earlier = None if proposal.version else tx.inbox(ask.by.key)",
        ),
    ),
    "the kill file is not looked at": (
        Bug(
            module="actions.safety",
            old="    held = kill_files.present(proposal.subject)\n    if held:\n        return KilledError",
            new="    held = []\n    if held:\n        return KilledError",
        ),
        Bug(
            module="actions.run",
            old="        held = self._kill_files.present(self.claimed.subject)\n",
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
    "audit in its own transaction": (
        Bug(
            module="storage.audit",
            old="        self._tell(_APPEND, values)\n",
            new=(
                '        self._channel.tell("COMMIT", {})\n'
                '        self._channel.tell("BEGIN", {})\n'
                "        self._tell(_APPEND, values)\n"
            ),
        ),
    ),
    "kill in several transactions": (
        Bug(
            module="actions.safety",
            old="            stopped = await self._store.write(",
            new="""            await self._store.write(
                lambda tx: [
                    transition(
                        tx,
                        KILL,
                        one,
                        by=by,
                        at=self._clock.now(),
                        changes={"reason_code": ReasonCode.KILL_SWITCH},
                        data={"reason_code": ReasonCode.KILL_SWITCH.value},
                    )
                    for one in tx.proposals(statuses=KILL.sources, limit=BATCH)
                ]
            )
            stopped = await self._store.write(""",
        ),
    ),
    "kill file lifted before the commit": (
        Bug(
            module="actions.safety",
            old="        file = self._drop_kill_file(scope)\n        try:\n",
            new=(
                "        file = self._drop_kill_file(scope)\n"
                "        self._kill_files.remove([file] if file else [])\n"
                "        try:\n"
            ),
        ),
    ),
    "run again after a crash": (
        Bug(
            module="actions.lifecycle",
            old='LOSE_LEASE = _row("T15", {EXECUTING}, UNKNOWN,',
            new='LOSE_LEASE = _row("T15", {EXECUTING}, APPROVED,',
        ),
        Bug(
            module="actions.attempt",
            old="if proposal.status is not APPROVED or proposal.attempts:",
            new="if proposal.status is not APPROVED:",
        ),
    ),
    "found in part is not found": (
        Bug(
            module="actions.attempt",
            old="some = happened is Happened.PARTLY or any(",
            new="some = any(",
        ),
    ),
    "header of a stranger in the log": (
        Bug(
            module="bot.gate",
            old='ascii((scope.get("client") or ("unknown",))[0])[1:-1][:45]',
            new='scope["client"][0]',
        ),
    ),
    "only < is escaped": (
        Bug(module="bot.views.plain", old='{"&": "&amp;", "<": "&lt;", ">": "&gt;"}', new='{"<": "&lt;"}'),
    ),
    "text that is parsed": (
        Bug(
            module="bot.views.blocks",
            old='{"type": "plain_text", "text": value, "emoji": False}',
            new='{"type": "mrkdwn", "text": value}',
        ),
    ),
    "invisible characters as they are": (
        Bug(
            module="bot.views.plain",
            old='seen = char == "\\n" or (char.isprintable() and char not in _BLANK and marks <= _MOST_MARKS)',
            new="seen = char not in _BLANK and marks <= _MOST_MARKS",
        ),
    ),
    "parameters cut without a word": (
        Bug(
            module="bot.views.card_view",
            old="if not shows(render_parameters(proposal.parameters), proposal.parameters):",
            new="if not proposal.parameters and not shows(render_parameters({}), {}):",
        ),
    ),
    "head not held against the witness": (
        Bug(
            module="storage.audit_replay",
            old="if (checkpoint.seq, checkpoint.head, checkpoint.count) == (self._last, self._head, self.rows):",
            new="if checkpoint.seq == self._last:",
        ),
    ),
    "control rows not compared": (
        Bug(module="storage.audit_verify", old="    _compare_control(evidence, trail, problems)\n", new=""),
    ),
    "approvals not compared": (
        Bug(module="storage.audit_verify", old="    _compare_approvals(evidence, trail, problems)\n", new=""),
    ),
    "hashes not computed again": (
        Bug(
            module="storage.audit_replay",
            old="is_whole = link(seq, at, proposal_id, event, actor, via, data, prev) == hash_",
            new="is_whole = bool(link(seq, at, proposal_id, event, actor, via, data, prev))",
        ),
    ),
    "sleep in the writer": (
        Bug(
            module="storage.writer",
            old="            value = request.work(transaction)\n",
            new="            __import__('time').sleep(0.05)\n            value = request.work(transaction)\n",
        ),
    ),
}
"""By name."""
