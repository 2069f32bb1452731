"""What is urgent does not wait behind what can wait, and does not keep it waiting for ever."""

from storage.handover import Request
from storage.lanes import BATCH, BESIDE_URGENT, Lanes


def name(request: Request | None) -> object:
    return None if request is None else request.work(None)


def request(word: str, *, urgent: bool = False) -> Request:
    return Request.here(lambda _: word, urgent=urgent)


def lanes_with(*words: str, limit: int = 1_000) -> Lanes:
    """Those that are spelled in capitals are urgent."""
    lanes = Lanes(limit=limit)
    for word in words:
        assert lanes.put(request(word, urgent=word.isupper()))
    return lanes


def next_batch(lanes: Lanes) -> list[object]:
    first = lanes.take()
    assert first is not None
    return [name(one) for one in lanes.batch(first)]


async def test_urgent_ones_come_first_and_each_lane_keeps_its_order() -> None:
    lanes = lanes_with("a", "b", "A", "B")

    assert next_batch(lanes) == ["A", "B", "a", "b"]


async def test_one_that_becomes_urgent_meanwhile_is_the_next() -> None:
    lanes = lanes_with(*"abc")
    first = lanes.take()
    assert first is not None
    batch = lanes.batch(first)
    seen = [name(next(batch)), name(next(batch))]
    lanes.put(request("K", urgent=True))

    assert [*seen, name(next(batch)), *map(name, batch)] == ["a", "b", "K", "c"]


async def test_an_urgent_one_waits_for_few_others() -> None:
    lanes = lanes_with("K", *(f"p{n}" for n in range(100)))

    assert next_batch(lanes) == ["K", *(f"p{n}" for n in range(BESIDE_URGENT))]
    assert len(next_batch(lanes)) == 100 - BESIDE_URGENT


async def test_one_that_comes_late_into_a_long_batch_ends_it() -> None:
    lanes = lanes_with(*(f"p{n}" for n in range(100)))
    first = lanes.take()
    assert first is not None
    batch = lanes.batch(first)
    for _ in range(BESIDE_URGENT + 1):
        next(batch)
    lanes.put(request("K", urgent=True))

    assert [name(one) for one in batch] == ["K"]


async def test_a_stream_of_urgent_ones_lets_some_others_through() -> None:
    lanes = lanes_with(*(f"p{n}" for n in range(BESIDE_URGENT * 3)))
    for _ in range(3):
        lanes.put(request("K", urgent=True))
        assert len(next_batch(lanes)) == 1 + BESIDE_URGENT

    assert lanes.take_waiting() is None


async def test_a_batch_is_bounded_in_both_lanes() -> None:
    lanes = lanes_with(*(f"U{n}" for n in range(BATCH + 1)))

    assert len(next_batch(lanes)) == BATCH
    assert next_batch(lanes) == [f"U{BATCH}"]


async def test_a_full_lane_refuses_and_the_other_does_not() -> None:
    lanes = lanes_with("a", "b", limit=2)

    assert not lanes.put(request("c"))
    assert lanes.put(request("K", urgent=True))
    assert next_batch(lanes) == ["K", "a", "b"]


async def test_closing_comes_after_what_waits() -> None:
    lanes = lanes_with("a", "K", "b")
    lanes.close()

    assert next_batch(lanes) == ["K", "a", "b"]
    assert lanes.take() is None
