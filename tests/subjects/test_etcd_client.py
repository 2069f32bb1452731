import json
from collections.abc import Awaitable, Callable, Mapping

import httpx
import pytest

from actions.errors import ActionFailedError, TargetUnavailableError
from actions.models import FailureOutcome
from actions.subjects.etcd.client import Alarm, Credentials, EtcdClient, GrpcStatusError
from actions.subjects.transport import OutcomeUnknownError, RefusedError, Transport
from tests.subjects.recorded import Recorded, client_answering, recorded, recorded_calls, response

URL = "http://127.0.0.1:2379"
RIGHT = "right"
Write = Callable[[EtcdClient], Awaitable[object]]
WRITES: Mapping[str, Write] = {
    "/v3/kv/put": lambda client: client.put("n1", "key", "value"),
    "/v3/kv/compaction": lambda client: client.compact("n1", 5),
    "/v3/maintenance/defragment": lambda client: client.defragment("n1"),
    "/v3/maintenance/transfer-leadership": lambda client: client.move_leader("n1", "42"),
    "/v3/maintenance/alarm": lambda client: client.disarm("n1", Alarm(member_id="42", alarm="NOSPACE")),
}


def calls_to(path: str) -> list[Recorded]:
    return [call for call in recorded_calls() if call.path == path]


@pytest.mark.parametrize("call", calls_to("/v3/maintenance/status"), ids=str)
async def test_a_status_is_read_as_every_version_writes_it(call: Recorded) -> None:
    status = await client_answering(call).status("n1", within=1.0)

    said = call.response
    assert status.db_size == int(said["dbSize"])
    assert status.db_in_use == int(said["dbSizeInUse"])
    assert status.leader == said.get("leader", "")
    assert status.applied_index == int(said["raftAppliedIndex"])
    assert status.errors == tuple(said.get("errors", ()))
    assert status.is_learner is said.get("isLearner", False)
    assert status.header.member_id == said["header"]["member_id"]


@pytest.mark.parametrize("call", calls_to("/v3/cluster/member/list"), ids=str)
async def test_a_list_of_members_keeps_ids_as_text_and_unstarted_ones_nameless(call: Recorded) -> None:
    if call.status != 200:
        with pytest.raises(TargetUnavailableError, match="learner"):
            await client_answering(call).listed_members(["n1"], within=1.0)
        return

    members = await client_answering(call).listed_members(["n1"], within=1.0)

    assert [member.id for member in members] == [said["ID"] for said in call.response["members"]]
    assert [member.name for member in members] == [said.get("name", "") for said in call.response["members"]]


async def test_no_alarms_is_an_empty_list_in_both_versions() -> None:
    older = recorded("basic", "alarm list")
    newer = recorded("v351_compare", "alarm list")

    assert older.response != newer.response
    assert await client_answering(older).alarms(["n1"]) == ()
    assert await client_answering(newer).alarms(["n1"]) == ()


async def test_alarms_name_their_member() -> None:
    alarms = await client_answering(recorded("nospace", "alarm list")).alarms(["n1"])

    assert Alarm(member_id="12953172274693118854", alarm="NOSPACE") in alarms
    assert len(alarms) == 3


@pytest.mark.parametrize(
    ("label", "was_armed"),
    [("disarm", True), ("disarm again", False), ("disarm wildcard memberID 0 alarm NONE", False)],
)
async def test_disarming_says_whether_anything_was_armed(label: str, was_armed: bool) -> None:
    client = client_answering(recorded("nospace", label))

    assert await client.disarm("n1", Alarm(member_id="1", alarm="NOSPACE")) is was_armed


@pytest.mark.parametrize("source", ["nospace", "v351_compare"])
async def test_a_compaction_that_was_done_before_is_no_failure(source: str) -> None:
    done = recorded(source, {"nospace": "compaction physical", "v351_compare": "compact"}[source])

    assert await client_answering(done).compact("n1", 107) is True
    assert await client_answering(recorded("basic", "compaction again")).compact("n1", 1) is False


async def test_history_that_is_gone_shows_itself_in_a_read() -> None:
    assert await client_answering(recorded("basic", "compaction again")).is_compacted(2, ["n1"]) is True
    assert await client_answering(recorded("basic", "range")).is_compacted(2, ["n1"]) is False


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("basic", "move leader sent to follower (wrong endpoint)"),
        ("basic", "move leader bad target"),
        ("v351_compare", "transfer at follower"),
        ("learner_auth", "transfer leadership to learner"),
        ("faults_and_quorum", "move leader no quorum"),
        ("basic", "compaction future"),
        ("nospace", "tiny put while NOSPACE"),
        ("nospace", "put while CORRUPT"),
        ("learner_auth", "range without token"),
        ("learner_auth", "range with stale token"),
        ("learner_auth", "defrag without token"),
        ("learner_auth", "learner linearizable range"),
        ("membership", "add 4th while one dead (strict reconfig check)"),
        ("membership", "remove unknown id"),
        ("basic", "unknown path"),
    ],
)
async def test_a_refusal_has_no_effect_whatever_http_status_it_comes_with(source: str, label: str) -> None:
    call = recorded(source, label)

    with pytest.raises(RefusedError) as caught:
        await client_answering(call).move_leader("n1", "42")

    assert caught.value.outcome is FailureOutcome.NO_EFFECT
    said = call.response["message"] if isinstance(call.response, dict) else call.response.strip()
    assert said in str(caught.value)


def test_one_error_comes_with_different_http_statuses() -> None:
    statuses = {
        recorded("basic", "move leader sent to follower (wrong endpoint)").status,
        recorded("v351_compare", "transfer at follower").status,
    }

    assert statuses == {412, 400}


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("faults_and_quorum", "put right after leader kill"),
        ("faults_and_quorum", "put no quorum"),
        ("v351_compare", "put no quorum"),
        ("learner_auth", "remove leader itself"),
    ],
)
@pytest.mark.parametrize("path", sorted(WRITES))
async def test_a_write_that_timed_out_inside_etcd_may_have_been_done(path: str, source: str, label: str) -> None:
    with pytest.raises(OutcomeUnknownError):
        await WRITES[path](client_answering(recorded(source, label)))


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b"[" * 10_000, b'"done"', b"\xff\xfe"])
@pytest.mark.parametrize("path", sorted(WRITES))
async def test_garbage_after_a_write_says_nothing(path: str, content: bytes) -> None:
    over = httpx.MockTransport(lambda _request: response(200, content))
    client = EtcdClient({"n1": URL}, Transport(over=over))

    with pytest.raises(OutcomeUnknownError):
        await WRITES[path](client)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"header": 5}', b'{"dbSize": "many"}'])
async def test_garbage_in_a_read_is_a_read_that_failed(content: bytes) -> None:
    over = httpx.MockTransport(lambda _request: response(200, content))

    with pytest.raises(TargetUnavailableError):
        await EtcdClient({"n1": URL}, Transport(over=over)).status("n1", within=1.0)


@pytest.mark.parametrize(
    ("metrics", "quota"),
    [
        ("# HELP x\netcd_server_quota_backend_bytes 4.194304e+06\nother 1\n", 4_194_304),
        ("etcd_server_quota_backend_bytes 2.147483648e+09\n", 2_147_483_648),
        ("etcd_server_quota_backend_bytes 0\n", None),
        ("etcd_server_quota_backend_bytes -1\n", None),
        ("nothing 1\n", None),
    ],
)
async def test_the_quota_is_read_from_the_metrics(metrics: str, quota: int | None) -> None:
    over = httpx.MockTransport(lambda _request: response(200, metrics))

    assert (await EtcdClient({"n1": URL}, Transport(over=over)).metrics("n1", within=1.0)).quota == quota


class Gatekeeper:
    """A member with authentication: hands out tokens, and knows only the newest."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.valid = ""
        self.issued = 0
        self.seen: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request.url.path)
        if request.url.path == "/v3/auth/authenticate":
            return self._authenticate(json.loads(request.content))
        if self.enabled and request.headers.get("Authorization") != self.valid:
            return _refusal(401, 16, "etcdserver: invalid auth token")
        return response(200, {"alarms": [{"memberID": "1", "alarm": "NOSPACE"}]})

    def _authenticate(self, body: Mapping[str, str]) -> httpx.Response:
        if not self.enabled:
            return _refusal(400, 9, "etcdserver: authentication is not enabled")
        if body["password"] != RIGHT:
            return _refusal(400, 3, "etcdserver: authentication failed, invalid user ID or password")
        self.issued += 1
        self.valid = f"token.{self.issued}"
        return response(200, {"token": self.valid})

    def client(self, *, password: str) -> EtcdClient:
        transport = Transport(over=httpx.MockTransport(self))
        return EtcdClient({"n1": URL}, transport, Credentials(username="root", password=password))


def _refusal(status: int, code: int, message: str) -> httpx.Response:
    return response(status, {"error": message, "code": code, "message": message})


async def test_a_read_with_a_token_that_ran_out_is_made_again_with_a_new_one() -> None:
    member = Gatekeeper()
    client = member.client(password=RIGHT)
    await client.alarms(["n1"])
    member.valid = "of another time"

    assert len(await client.alarms(["n1"])) == 1
    assert member.issued == 2


async def test_a_write_gets_its_own_token_and_is_sent_once() -> None:
    member = Gatekeeper()
    client = member.client(password=RIGHT)
    await client.defragment("n1")
    member.valid = "of another time"
    await client.defragment("n1")

    assert member.seen.count("/v3/maintenance/defragment") == 2
    assert member.issued == 2


async def test_without_authentication_the_credentials_are_left_aside() -> None:
    member = Gatekeeper(enabled=False)

    assert len(await member.client(password=RIGHT).alarms(["n1"])) == 1


async def test_a_wrong_password_stops_a_write_before_it_is_sent() -> None:
    member = Gatekeeper()

    with pytest.raises(ActionFailedError, match="authentication failed") as caught:
        await member.client(password="wrong").defragment("n1")

    assert caught.value.outcome is FailureOutcome.NO_EFFECT
    assert "/v3/maintenance/defragment" not in member.seen


async def test_a_wrong_password_makes_a_read_fail_and_is_not_shown() -> None:
    with pytest.raises(GrpcStatusError, match="authentication failed") as caught:
        await Gatekeeper().client(password="hunter2").alarms(["n1"])

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Credentials(username="root", password="hunter2"))
