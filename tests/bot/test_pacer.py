import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.pacer import BURST, RATE, Pacer
from tests.factories import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def pacer(clock: FixedClock) -> Pacer:
    return Pacer(clock)


def test_a_channel_takes_a_burst_at_once_and_then_one_message_a_second(pacer: Pacer, clock: FixedClock) -> None:
    assert [pacer.take("C1") for _ in range(BURST)] == [0.0] * BURST
    assert pacer.take("C1") == pytest.approx(1 / RATE)

    clock.advance(0.4)
    assert pacer.take("C1") == pytest.approx(0.6)
    clock.advance(0.6)
    assert pacer.take("C1") == 0.0
    assert pacer.take("C1") > 0


def test_channels_do_not_wait_for_each_other(pacer: Pacer) -> None:
    while not pacer.take("C1"):
        pass

    assert pacer.take("C2") == 0.0


def test_asking_takes_nothing(pacer: Pacer) -> None:
    assert [pacer.wait("C1") for _ in range(3 * BURST)] == [0.0] * 3 * BURST
    assert [pacer.take("C1") for _ in range(BURST)] == [0.0] * BURST
    assert pacer.wait("C1") > 0


def test_a_rest_fills_it_up_to_one_burst_and_no_further(pacer: Pacer, clock: FixedClock) -> None:
    while not pacer.take("C1"):
        pass
    clock.advance(3_600)

    assert sum(not pacer.take("C1") for _ in range(3 * BURST)) == BURST


def test_a_pause_holds_for_its_channel_alone_and_the_longest_counts(pacer: Pacer, clock: FixedClock) -> None:
    pacer.pause("C1", 30)
    pacer.pause("C1", 5)

    assert pacer.take("C1") == 30
    assert pacer.take("C2") == 0.0
    clock.advance(29)
    assert pacer.take("C1") == 1
    clock.advance(1)
    assert pacer.take("C1") == 0.0


@given(st.lists(st.floats(min_value=0, max_value=5), max_size=80))
def test_no_second_is_ever_given_more_than_a_burst_and_its_share(steps: list[float]) -> None:
    clock = FixedClock()
    pacer = Pacer(clock)
    taken: list[float] = []
    for step in steps:
        clock.advance(step)
        taken += [clock.monotonic() for _ in range(20) if not pacer.take("C1")]

    for first, begin in enumerate(taken):
        for last, end in enumerate(taken[first:], start=first):
            assert last - first + 1 <= BURST + (end - begin) * RATE + 1e-6
