"""Answers reach whoever waits, or are told to have nobody."""

import asyncio

import pytest

from storage.handover import Answer, Request, give


async def test_answers_and_errors_reach_their_callers() -> None:
    wanted, failed = Request.here(lambda _: 1), Request.here(lambda _: 2)
    await asyncio.to_thread(give, [Answer(request=wanted, value=7), Answer(request=failed, error=KeyError("x"))])

    assert await wanted.future == 7
    with pytest.raises(KeyError):
        await failed.future


async def test_an_answer_to_nobody_is_dropped() -> None:
    given_up, waiting = Request.here(lambda _: 1), Request.here(lambda _: 2)
    given_up.future.cancel()
    await asyncio.to_thread(give, [Answer(request=given_up, value=7), Answer(request=waiting, value=8)])

    assert await waiting.future == 8


def test_an_answer_to_a_loop_that_is_closed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> Request:
        return Request.here(lambda _: 1)

    give([Answer(request=asyncio.run(ask()), value=7)])

    assert "1 answers had nobody left to hear them" in caplog.text
