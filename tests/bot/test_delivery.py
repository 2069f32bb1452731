"""What Slack shows in the end is what the database says, exactly once, whatever happens on the way."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest

from actions.errors import StorageError
from actions.ports import OutboxItem, OutboxKind
from bot.delivery import LOCKED_OUT_PAUSE, SILENT, STALE_NOTICE
from bot.pacer import BURST
from bot.shown import Shown
from bot.slack_errors import LONGEST_WAIT
from bot.workspace.faults import ANY_METHOD, Fault, FaultKind
from bot.workspace.records import Json, Message
from tests.bot.posting import CARD, RESULT, Board, Post, posting

POST, UPDATE = "chat.postMessage", "chat.update"
LOST: Final = {
    "reset": Fault(kind=FaultKind.RESET),
    "reset after it was posted": Fault(kind=FaultKind.RESET, applied=True),
    "no answer": Fault(kind=FaultKind.HANG),
    "no answer after it was posted": Fault(kind=FaultKind.HANG, applied=True),
    "500": Fault(kind=FaultKind.STATUS, status=500),
    "503 after it was posted": Fault(kind=FaultKind.STATUS, status=503, applied=True),
    "a page that is no JSON": Fault(kind=FaultKind.GARBAGE),
    "a page that is no JSON after it was posted": Fault(kind=FaultKind.GARBAGE, applied=True),
    "internal_error": Fault(kind=FaultKind.ERROR, error="internal_error"),
    "fatal_error after it was posted": Fault(kind=FaultKind.ERROR, error="fatal_error", applied=True),
}
NEVER: Final = (
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_too_long",
    "msg_blocks_too_long",
    "no_text",
    "invalid_arguments",
    "invalid_metadata_format",
    "metadata_too_large",
    "too_many_attachments",
    "method_deprecated",
    "something_new",
)
ELSEWHERE: Final = (
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
)
LOCKED_OUT: Final = (
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "missing_scope",
    "org_login_required",
    "ekm_access_denied",
    "no_permission",
)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with posting() as post:
        yield post


def versions(post: Post, ref: str) -> list[int]:
    """Return the versions that Slack was sent of a card, in order."""
    sent = [given.get("metadata") or {} for given in post.calls()]
    parsed = [_parsed(metadata) for metadata in sent]
    return [int(one["version"]) for one in parsed if one.get("ref") == ref]


def _parsed(metadata: object) -> Json:
    found = json.loads(metadata) if isinstance(metadata, str) else metadata
    payload = found.get("event_payload", {}) if isinstance(found, dict) else {}
    return payload if isinstance(payload, dict) else {}


async def test_a_card_is_posted_once_and_changed_in_place_ever_after(post: Post) -> None:
    await post.show("1", "first")
    await post.deliver()
    await post.show("1", "second")
    await post.deliver()

    (message,) = post.workspace.messages("ops")
    assert message["text"] == "second"
    assert await post.undelivered() == []
    await post.deliver(seconds=3_600)
    assert len(post.calls()) == 2


async def test_a_burst_of_changes_is_shown_once_as_it_is_in_the_end(post: Post) -> None:
    for number in range(50):
        await post.show("1", f"state {number}")

    await post.deliver()

    assert post.texts() == ["state 49"]
    assert len(post.calls()) == 1


async def test_what_changes_while_slack_takes_its_time_is_shown_afterwards_and_never_the_older_last(
    post: Post,
) -> None:
    await post.show("1", "old")
    await post.deliver()
    post.workspace.faults.script(UPDATE, Fault(kind=FaultKind.HANG, applied=True))
    await post.show("1", "newer")
    slow = asyncio.create_task(post.delivery.deliver_due())
    await post.workspace.until(lambda: post.texts() == ["newer"])
    await post.show("1", "newest")
    await slow
    await post.drain()

    assert post.texts() == ["newest"]
    assert versions(post, "1") == sorted(versions(post, "1"))


@pytest.mark.parametrize("channel", ["#ops", "C0OPS"])
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
async def test_a_post_whose_answer_is_lost_is_found_again_or_posted_once(
    post: Post, fault: Fault, channel: str
) -> None:
    post.board.channels["1"] = channel
    post.workspace.faults.script(POST, fault)
    await post.show("1", "only")

    await post.drain()

    assert post.texts() == ["only"]
    assert len(post.calls(POST)) == (1 if fault.applied else 2)
    await post.show("1", "changed")
    await post.drain()
    assert post.texts() == ["changed"]


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
async def test_an_update_whose_answer_is_lost_is_repeated(post: Post, fault: Fault) -> None:
    await post.show("1", "before")
    await post.drain()
    post.workspace.faults.script(UPDATE, fault)
    await post.show("1", "after")

    await post.drain()

    assert post.texts() == ["after"]


async def test_with_everything_failing_at_random_each_card_is_there_once_and_is_right(post: Post) -> None:
    chance = random.Random(20261122)
    methods = [POST, UPDATE, "conversations.history", "conversations.list", ANY_METHOD]
    faults = [
        replace(fault, kind=FaultKind.RESET if fault.kind is FaultKind.HANG else fault.kind) for fault in LOST.values()
    ]
    faults.append(Fault(kind=FaultKind.RATE_LIMITED, retry_after="3"))
    for step in range(300):
        await post.show(str(chance.randint(1, 3 + step // 8)), f"state {step}")
        if chance.random() < 0.5:
            post.workspace.faults.script(chance.choice(methods), chance.choice(faults))
        if chance.random() < 0.7:
            await post.deliver(seconds=chance.choice([0, 0.5, 2]))
    post.workspace.faults.clear()
    await post.drain()

    assert sorted(post.texts()) == sorted(post.board.texts.values())
    for ref in post.board.texts:
        assert versions(post, ref) == sorted(versions(post, ref))


async def test_a_post_that_could_not_be_remembered_is_found_again(post: Post) -> None:
    class Locked(Board):
        async def present(self, item: OutboxItem) -> Shown | None:
            post.store.failure = StorageError("locked")
            return await super().present(item)

    post.delivery._presenter = Locked(post.store, texts=post.board.texts)
    await post.show("1", "only")
    with pytest.raises(StorageError):
        await post.delivery.deliver_due()
    assert post.texts() == ["only"]

    post.store.failure = None
    post.delivery._presenter = post.board
    await post.drain()

    assert len(post.calls(POST)) == 1
    await post.show("1", "changed")
    await post.drain()
    assert post.texts() == ["changed"]


async def test_a_post_that_a_crash_left_unremembered_is_found_after_the_restart(post: Post) -> None:
    await post.show("1", "only")
    await post.deliver()
    await post.store.write(lambda tx: tx.forget_message(CARD, "1"))
    await post.store.write(lambda tx: tx.enqueue(CARD, "1", at=post.clock.now()))
    post.clock.advance(5)

    await post.restarted().deliver_due()

    assert post.texts() == ["only"]
    assert len(post.calls(POST)) == 1


async def test_a_message_of_another_app_with_our_metadata_is_not_taken_for_ours(post: Post) -> None:
    post.workspace.faults.script(POST, Fault(kind=FaultKind.RESET))
    await post.show("1", "ours")
    theirs = {"event_type": "operator_card", "event_payload": {"ref": "1", "version": 1}}
    post.clock.advance(1)
    state = post.workspace.state
    state.post(
        Message(
            ts=state.next_ts(),
            channel_id="C0OPS",
            user_id="U0ANN",
            team_id="T0LOCAL",
            bot_id="B0OTHER",
            text="theirs",
            metadata=theirs,
        )
    )

    await post.drain()

    assert post.texts() == ["theirs", "ours"]
    assert post.calls(UPDATE) == []


async def test_a_lost_post_is_found_behind_hundreds_of_other_messages(post: Post) -> None:
    post.workspace.faults.script(POST, Fault(kind=FaultKind.RESET, applied=True))
    await post.show("1", "ours")
    await post.deliver()
    for number in range(450):
        post.workspace.say(user="ann", channel="ops", text=f"chatter {number}")

    await post.drain()

    assert post.texts().count("ours") == 1
    assert len(post.calls("conversations.history")) == 3


async def test_where_looking_is_not_allowed_it_is_posted_rather_than_never(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.workspace.faults.script(POST, Fault(kind=FaultKind.RESET))
    post.workspace.faults.script(
        "conversations.history", Fault(kind=FaultKind.ERROR, error="missing_scope"), times=None
    )
    await post.show("1", "ours")

    await post.drain()

    assert post.texts() == ["ours"]
    assert "cannot look into #ops for what was posted before: missing_scope" in caplog.messages
    assert post.delivery.problems() == []


@pytest.mark.parametrize(
    ("said", "waits"),
    [(None, 30), ("0", 1), ("7", 7), ("100000", LONGEST_WAIT), ("1.5", 30), ("soon", 30), ("-3", 30), ("", 30)],
)
async def test_a_rate_limit_is_waited_out_by_its_channel_and_by_no_other(
    post: Post, said: str | None, waits: float
) -> None:
    post.workspace.faults.script(POST, Fault(kind=FaultKind.RATE_LIMITED, retry_after=said))
    post.board.channels |= dict.fromkeys("12345", "C0OPS") | {"6": "C0INCIDENT42"}
    for ref in "123456":
        await post.show(ref, ref)

    await post.deliver(seconds=waits - 0.1)
    assert post.texts() == []
    assert post.texts("incident-42") == ["6"]
    assert len(post.calls(POST)) == 2

    await post.drain()
    assert post.texts() == ["1", "2", "3", "4", "5"] or post.texts() == ["2", "3", "4", "5", "1"]
    assert len(post.calls(POST)) == 7
    assert post.calls("conversations.history") == [], "nothing was posted, so there is nothing to look for"


async def test_one_channel_gets_a_burst_and_then_a_message_a_second(post: Post) -> None:
    for number in range(30):
        await post.show(str(number), f"card {number}")

    await post.deliver()
    assert len(post.texts()) == BURST
    await post.deliver(seconds=10)
    assert BURST + 9 <= len(post.texts()) <= BURST + 11
    await post.drain()
    assert post.texts() == [f"card {number}" for number in range(30)]


async def test_what_waits_for_its_channel_delays_no_other_channel_and_is_not_drawn_meanwhile(post: Post) -> None:
    for number in range(300):
        await post.show(f"crowd {number}", "x")
    post.board.channels["other"] = "C0INCIDENT42"
    await post.show("other", "here")
    await post.whisper("you may not")

    await post.deliver()

    assert post.texts("incident-42") == ["here"]
    assert [one["text"] for one in post.workspace.ephemerals("ops", user="ann")] == ["you may not"]
    drawn = len(post.board.drawn)
    for _ in range(5):
        await post.deliver()
    assert len(post.board.drawn) == drawn


async def test_announcements_come_before_cards_that_wait(post: Post) -> None:
    for number in range(20):
        await post.show(str(number), "card")
    await post.show("kill", "Kill switch thrown", kind=OutboxKind.ANNOUNCEMENT)

    await post.deliver()

    assert "Kill switch thrown" in post.texts()


@pytest.mark.parametrize("code", NEVER)
async def test_what_slack_refuses_for_good_is_tried_as_text_and_then_not_again(post: Post, code: str) -> None:
    with post.workspace.faults.lasting(POST, Fault(kind=FaultKind.ERROR, error=code)):
        await post.show("1", "card")
        await post.deliver(seconds=3_600)
    assert len(post.calls()) == 2
    assert post.delivery.health.given_up == 1

    await post.show("1", "the next state")
    await post.drain()
    assert post.texts() == ["the next state"]


@pytest.mark.parametrize("method", [POST, UPDATE])
async def test_a_card_whose_blocks_slack_refuses_is_shown_as_text_with_the_way_out(post: Post, method: str) -> None:
    if method == UPDATE:
        await post.show("1", "before")
        await post.drain()
    post.workspace.faults.script(method, Fault(kind=FaultKind.ERROR, error="invalid_blocks"))
    await post.show("1", "whole decision")

    await post.drain()

    (message,) = post.workspace.messages("ops")
    assert message["text"] == (
        "whole decision\n(Slack refused the full message: invalid_blocks. Buttons are missing. "
        "Look at it with /operator show 1.)"
    )
    assert not message.get("blocks")
    await post.show("1", "next")
    await post.drain()
    assert post.texts() == ["next"]


@pytest.mark.parametrize("code", ELSEWHERE)
async def test_where_the_bot_cannot_write_the_default_channel_is_used_and_says_so(post: Post, code: str) -> None:
    post.board.channels["1"] = "C0INCIDENT42"
    post.workspace.faults.script(POST, Fault(kind=FaultKind.ERROR, error=code))
    await post.show("1", "card")
    await post.drain()

    (message,) = post.workspace.messages("ops")
    assert message["text"] == "card"
    assert "Posted here because the bot cannot write to C0INCIDENT42. Invite it there" in str(message["blocks"][-1])
    await post.show("1", "changed")
    await post.drain()
    assert post.texts() == ["changed"]
    assert len(post.calls(POST)) == 2


@pytest.mark.parametrize("channel", ["#nowhere", "#elsewhere", "C0ELSEWHERE", "C0GONE"])
async def test_a_channel_that_is_not_there_or_where_the_bot_is_not_is_replaced(post: Post, channel: str) -> None:
    post.board.channels["1"] = channel
    await post.show("1", "card")
    await post.show("1", "card result", kind=RESULT)

    await post.drain()

    card, reply = post.workspace.messages("ops")
    assert (card["text"], reply["text"]) == ("card result", "result: card result")
    assert reply["thread_ts"] == card["ts"]


@pytest.mark.parametrize("code", ELSEWHERE)
async def test_a_default_channel_that_takes_nothing_is_not_stormed(
    post: Post, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    with post.workspace.faults.lasting(POST, Fault(kind=FaultKind.ERROR, error=code)):
        for number in range(5):
            await post.show(str(number), "card")
        await post.deliver(seconds=3_600)

    assert len(post.calls()) == 5
    assert sum("for good" in message for message in caplog.messages) == 5


@pytest.mark.parametrize("code", LOCKED_OUT)
async def test_a_token_that_is_not_accepted_is_said_and_tried_now_and_then_until_it_works(
    post: Post, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        await post.show(str(number), f"card {number}")
    with post.workspace.faults.lasting(ANY_METHOD, Fault(kind=FaultKind.ERROR, error=code)):
        await post.deliver(seconds=600)

        assert len(post.calls()) <= 600 / LOCKED_OUT_PAUSE + 1
        assert post.delivery.problems()[0] == f"Slack does not accept the bot's token ({code}); see `operator doctor`."
        assert sum(record.levelno == logging.ERROR for record in caplog.records) == 1
    await post.drain()

    assert post.delivery.health.locked_out == ""
    assert sorted(post.texts()) == sorted(f"card {number}" for number in range(20))


@pytest.mark.parametrize("code", ["message_not_found", "cant_update_message", "edit_window_closed"])
async def test_a_message_that_cannot_be_changed_any_more_is_posted_anew(post: Post, code: str) -> None:
    await post.show("1", "before")
    await post.drain()
    if code == "message_not_found":
        state = post.workspace.state
        state.delete(state.message("C0OPS", post.workspace.messages("ops")[0]["ts"], seen_by="U0BOT"))
    else:
        post.workspace.faults.script(UPDATE, Fault(kind=FaultKind.ERROR, error=code))
    await post.show("1", "after")

    await post.drain()

    assert post.texts()[-1] == "after"
    assert len(post.calls(POST)) == 2


async def test_a_card_in_a_channel_that_was_archived_moves_to_the_default_channel(post: Post) -> None:
    post.board.channels["1"] = "C0INCIDENT42"
    await post.show("1", "before")
    await post.drain()
    state = post.workspace.state
    state.put_channel(replace(state.channel("incident-42"), archived=True))
    await post.show("1", "after")

    await post.drain()

    assert post.texts() == ["after"]
    assert "cannot write to C0INCIDENT42" in str(post.workspace.messages("ops")[0]["blocks"])


async def test_a_result_waits_for_its_card_and_stands_in_its_thread(post: Post) -> None:
    post.board.texts["1"] = "done"
    await post.store.write(lambda tx: tx.enqueue(RESULT, "1", at=post.clock.now()))
    await post.deliver(seconds=2)
    assert post.calls() == []

    await post.show("1", "done")
    await post.drain()

    card, reply = post.workspace.messages("ops")
    assert (card["text"], reply["text"]) == ("done", "result: done")
    assert reply["thread_ts"] == card["ts"]


async def test_a_result_whose_answer_is_lost_is_found_in_its_thread(post: Post) -> None:
    await post.show("1", "done")
    await post.drain()
    post.workspace.faults.script(POST, Fault(kind=FaultKind.RESET, applied=True))
    await post.show("1", "done", kind=RESULT)

    await post.drain()

    assert post.texts() == ["done", "result: done"]


async def test_a_result_without_a_card_brings_the_card_back_first(post: Post) -> None:
    await post.show("1", "done")
    await post.drain()
    state = post.workspace.state
    state.delete(state.message("C0OPS", post.workspace.messages("ops")[0]["ts"], seen_by="U0BOT"))
    await post.show("1", "done", kind=RESULT)

    await post.drain()

    card, reply = post.workspace.messages("ops")
    assert (card["text"], reply["text"]) == ("done", "result: done")
    assert reply["thread_ts"] == card["ts"]


async def test_after_six_hours_without_slack_it_shows_what_the_database_says_by_then(post: Post) -> None:
    chance = random.Random(6)
    await post.show("0", "posted before")
    await post.drain()
    before = len(post.calls())
    with post.workspace.faults.lasting(ANY_METHOD, Fault(kind=FaultKind.RESET)):
        for step in range(72):
            await post.show(str(chance.randint(0, 9)), f"state {step}")
            await post.deliver(seconds=300)
    tried = len(post.workspace.calls)
    await post.drain()

    assert sorted(post.texts()) == sorted(post.board.texts.values())
    # At most a try every half minute; the HTTP client itself repeats a GET once.
    assert tried < 2 * 6 * 3_600 / 30 + 50, "Slack was not left alone while it was out of reach"
    assert len(post.calls()) - before >= len(post.board.texts)


async def test_a_slack_out_of_reach_is_tried_with_one_call_and_not_with_all_that_waits(post: Post) -> None:
    for number in range(50):
        await post.show(str(number), "card")
    with post.workspace.faults.lasting(ANY_METHOD, Fault(kind=FaultKind.STATUS, status=503)):
        await post.deliver()
        assert len(post.workspace.calls) == 2  # auth.test at the start, and one post
        await post.delivery.deliver_due()
        assert len(post.workspace.calls) == 2


async def test_one_thing_that_cannot_be_drawn_keeps_no_other_from_being_shown(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.board.broken.add("1")
    await post.show("1", "poison")
    await post.show("2", "sound")
    await post.deliver(seconds=30)

    assert post.texts() == ["sound"]
    assert caplog.messages.count("card 1 cannot be shown") == 1
    post.board.broken.clear()
    await post.drain()
    assert post.texts() == ["sound", "poison"]


async def test_what_is_not_there_any_more_is_settled_without_a_word(post: Post) -> None:
    await post.store.write(lambda tx: tx.enqueue(CARD, "77", at=post.clock.now()))

    await post.drain()

    assert post.calls() == []


async def test_a_sentence_that_missed_its_moment_is_dropped(post: Post) -> None:
    await post.whisper("you may not")
    post.clock.advance(STALE_NOTICE.total_seconds() + 1)

    await post.drain()

    assert post.calls() == []


@pytest.mark.parametrize("channel", ["C0ELSEWHERE", "U0ANN", "C0GONE"])
async def test_a_sentence_is_said_in_private_where_it_cannot_be_said_in_place(post: Post, channel: str) -> None:
    await post.whisper("you may not", channel=channel)

    await post.drain()

    (private,) = [one for one in post.workspace.state.channels.values() if one.kind == "im"]
    assert post.texts(private.id) == ["you may not"]


async def test_a_sentence_that_reaches_nobody_is_given_up_after_two_calls(post: Post) -> None:
    with post.workspace.faults.lasting(ANY_METHOD, Fault(kind=FaultKind.ERROR, error="channel_not_found")):
        await post.whisper("you may not")
        await post.deliver(seconds=3_600)

    assert len(post.calls()) == 2
    assert post.delivery.health.given_up == 1


async def test_while_it_is_another_processs_turn_nothing_is_sent(post: Post) -> None:
    post.turn.is_mine = False
    await post.show("1", "card")
    await post.deliver(seconds=60)
    assert post.calls() == []

    post.turn.is_mine = True
    await post.drain()
    assert post.texts() == ["card"]


async def test_a_fault_of_our_own_does_not_end_delivery(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    class Stumbling:
        stumbled = False

        async def mine(self) -> bool:
            if not self.stumbled:
                self.stumbled = True
                raise LookupError("a bug")
            return True

    post.delivery._turn = Stumbling()
    await post.show("1", "card")
    running = asyncio.create_task(post.delivery.run())
    post.delivery.wake()
    await post.workspace.until(lambda: post.texts() == ["card"])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert "a round of delivery broke off" in caplog.messages


async def test_a_database_that_cannot_be_read_does_not_end_delivery(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    await post.show("1", "card")
    post.store.failure = StorageError("locked by another process")
    await post.delivery._round()
    post.store.failure = None
    await post.drain()

    assert "the outbox cannot be read or written: locked by another process" in caplog.messages
    assert post.texts() == ["card"]


async def test_a_delivery_that_has_stopped_is_no_longer_ready(post: Post) -> None:
    assert post.delivery.problems() == []

    post.clock.advance(SILENT + 10)

    assert post.delivery.problems() == ["Delivery has not looked at its outbox for 40 s."]


async def test_a_post_that_was_under_way_when_delivery_was_stopped_is_not_posted_again(post: Post) -> None:
    post.workspace.faults.script(POST, Fault(kind=FaultKind.HANG, applied=True))
    await post.show("1", "only")
    running = asyncio.create_task(post.delivery.run())
    await post.workspace.until(lambda: post.texts() == ["only"])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    post.workspace.faults.clear()

    await post.drain()

    assert post.texts() == ["only"]
    assert len(post.calls(POST)) == 1


async def test_a_sentence_to_one_person_does_not_wait_for_the_rest_of_a_round(post: Post) -> None:
    class Interrupted(Board):
        async def present(self, item: OutboxItem) -> Shown | None:
            if item.ref == "1":
                await post.whisper("you may not")
                post.delivery.wake()
            return await super().present(item)

    post.delivery._presenter = Interrupted(post.store, texts=post.board.texts)
    for number in range(1, 6):
        await post.show(str(number), f"card {number}")
    running = asyncio.create_task(post.delivery.run())
    await post.workspace.until(lambda: len(post.texts()) == 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    order = [name for name, _ in post.workspace.calls if name.startswith("chat.")]
    assert order == [POST, "chat.postEphemeral", POST, POST, POST, POST]
