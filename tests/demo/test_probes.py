import pytest

from bot.demo.probes import MemberLook, in_words


def member(name: str, state: str, *, leads: bool = False, full: bool = False) -> MemberLook:
    return MemberLook(name=name, state=state, answers=state in {"leads", "follows"}, leads=leads, full=full)


LEADER = member("n1", "leads", leads=True)


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ([LEADER, member("n2", "follows")], "etcd is healthy: n1 leads, n2 follows"),
        ([LEADER, member("n2", "is down")], "etcd takes writes, and is not whole: n1 leads, n2 is down"),
        ([member("n1", "hangs"), member("n2", "knows no leader")], "etcd takes no writes, for nobody leads: "),
        ([LEADER, member("n2", "follows", full=True)], "etcd refuses writes for lack of space: n1 leads, n2 follows"),
    ],
)
def test_the_state_of_the_cluster_is_one_line_that_says_first_what_matters(
    members: list[MemberLook], line: str
) -> None:
    assert in_words(members).startswith(line)
