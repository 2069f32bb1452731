"""What only PostgreSQL can do to a store: lose the connection, keep others waiting, be used by somebody else."""

import asyncio
import logging
import random
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, make_url
from sqlmodel import SQLModel

from actions.errors import ConfigurationError, StorageError
from actions.models import EVERYTHING, ActionStatus, SafetyMode
from actions.ports import Transaction
from storage.audit_verify import verify
from storage.databases import database_at
from storage.guards import POSTGRESQL_GUARDS
from storage.postgresql import WRITING, PostgresqlDatabase
from storage.proposals import FIXED
from storage.store import SqlStore
from tests.factories import START, FixedClock, a_proposal
from tests.storage.proxy import Cut, Proxy, between
from tests.storage.scripts import Script, must
from tests.storage.servers import Server
from tests.storage.test_contract_audit import an_entry
from tests.storage.test_processes import insert_approved, line, process, tell

LIVES = 70
Stranger = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def name(postgresql_url: str) -> str:
    return postgresql_url.partition("@/")[2].partition("?")[0]


@pytest.fixture
def stranger(server: Server, name: str) -> Iterator[Stranger]:
    """Somebody with a connection of their own to the same database."""
    with server.connect(name) as connection:
        yield connection


@pytest.fixture(scope="module")
def lived_template(server: Server) -> str:
    """A database in which proposals came to every end there is; to be copied."""
    name = server.fresh()

    async def live() -> None:
        clock = FixedClock()
        async with opened(server.url(name)) as store:
            await Script(store, clock).varied_lives(LIVES)
            await store.write(lambda tx: tx.save_checkpoint(tx.audit_head(clock.now()), "file:/w"))

    asyncio.run(live())
    return name


@pytest.fixture
def lived(server: Server, lived_template: str) -> Iterator[tuple[Stranger, str]]:
    """A copy of that database: somebody's own connection to it, and its address."""
    name = server.fresh(lived_template)
    with server.connect(name) as connection:
        yield connection, server.url(name)
    server.drop(name)


@asynccontextmanager
async def opened(url: str, **options: float) -> AsyncIterator[SqlStore]:
    store = await asyncio.to_thread(SqlStore.open, url, clock=FixedClock(), **options)  # type: ignore[arg-type]  # numbers, all of them
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def proxied(server: Server, name: str) -> Iterator[tuple[str, Proxy]]:
    with tempfile.TemporaryDirectory(prefix="operator-pg-", dir="/tmp") as folder:
        (socket,) = server.socket.glob(".s.PGSQL.*[0-9]")
        with between(socket, Path(folder)) as proxy:
            yield f"postgresql+psycopg://postgres@/{name}?host={folder}", proxy


def insert(key: str) -> Callable[[Transaction], object]:
    return lambda tx: must(tx.insert_proposal(a_proposal(source_key=key, target=key)))


def ask(connection: Stranger, sql: str) -> list[object]:
    return [row[0] for row in connection.execute(sql.encode()).fetchall()]


def keys(connection: Stranger) -> list[object]:
    return ask(connection, "SELECT source_key FROM proposals ORDER BY id")


def terminate(connection: Stranger, condition: str = "true") -> int:
    return len(
        ask(
            connection,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() "  # noqa: S608 - our own words
            f"AND application_name LIKE 'operator %' AND {condition}",
        )
    )


@contextmanager
def terminated_at_random(server: Server, name: str) -> Iterator[list[int]]:
    """End server processes every now and then until the block ends; give how many, each time."""
    over, kills = threading.Event(), [0]

    def terminate_some() -> None:
        chance = random.Random(7)
        with server.connect(name) as connection:
            while not over.is_set():
                connection.execute("SELECT pg_sleep(%s)", (chance.random() * 0.03,))
                kills.append(terminate(connection, chance.choice(["true", "query = 'COMMIT'", "state <> 'idle'"])))

    killer = threading.Thread(target=terminate_some)
    killer.start()
    try:
        yield kills
    finally:
        over.set()
        killer.join()


@contextmanager
def waiting_for_a_standby(server: Server) -> Iterator[None]:
    """Have every commit wait, once it is durable on the server, for a standby that never answers."""
    with server.connect() as superuser:
        superuser.execute("SET synchronous_commit = local")
        superuser.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        superuser.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            superuser.execute("ALTER SYSTEM RESET synchronous_standby_names")
            superuser.execute("SELECT pg_reload_conf()")


class TestALostConnection:
    async def test_one_lost_while_nobody_used_it_is_made_anew(self, postgresql_url: str, stranger: Stranger) -> None:
        async with opened(postgresql_url) as store:
            await store.write(insert("before"))
            await store.read(lambda reader: reader.proposals())
            assert await asyncio.to_thread(terminate, stranger) >= 2
            await store.write(insert("after"))
            found = await store.read(lambda reader: reader.proposals())

        assert [one.source_key for one in found] == ["after", "before"]

    async def test_one_lost_in_a_unit_of_work_leaves_nothing_of_the_batch(
        self, postgresql_url: str, stranger: Stranger
    ) -> None:
        def die(tx: Transaction) -> None:
            insert("dying")(tx)
            assert terminate(stranger, "state = 'idle in transaction'") == 1
            insert("dead")(tx)

        async with opened(postgresql_url) as store:
            answers = await asyncio.gather(
                *(store.write(work) for work in (insert("one"), die, insert("two"))), return_exceptions=True
            )
            refused = [answer for answer in answers if isinstance(answer, StorageError)]
            assert "nothing was recorded" in str(refused[0])
            await store.write(insert("after"))

        told = {key for key, answer in zip(("one", "dying", "two"), answers, strict=True) if answer not in refused}
        assert set(await asyncio.to_thread(keys, stranger)) == told | {"after"}
        assert "dying" not in told

    async def test_one_lost_in_a_query_is_told_and_made_anew(self, postgresql_url: str, stranger: Stranger) -> None:
        async with opened(postgresql_url) as store:
            await store.write(insert("one"))

            def die(reader: object) -> None:
                assert terminate(stranger, "state = 'idle in transaction'") == 1
                must(getattr(reader, "proposals", None))()

            with pytest.raises(StorageError):
                await store.read(die)
            for _ in range(8):
                assert len(await store.read(lambda reader: reader.proposals())) == 1


class TestACommitInDoubt:
    async def test_a_commit_whose_answer_is_lost_is_answered_as_done(
        self, server: Server, name: str, stranger: Stranger, caplog: pytest.LogCaptureFixture
    ) -> None:
        with proxied(server, name) as (url, proxy):
            async with opened(url) as store:
                await store.write(insert("before"))
                proxy.cut = Cut.BEFORE_THE_CLIENT_HEARS
                with caplog.at_level(logging.WARNING):
                    await asyncio.gather(*(store.write(insert(f"k{n}")) for n in range(5)))
                await store.write(insert("after"))

        assert proxy.cuts == 1
        assert "was lost during a commit that did succeed" in caplog.text
        assert sorted(map(str, await asyncio.to_thread(keys, stranger))) == [
            "after",
            "before",
            *(f"k{n}" for n in range(5)),
        ]

    async def test_a_commit_that_never_arrived_is_answered_as_not_done(
        self, server: Server, name: str, stranger: Stranger
    ) -> None:
        with proxied(server, name) as (url, proxy):
            async with opened(url) as store:
                proxy.cut = Cut.BEFORE_THE_SERVER_HEARS
                with pytest.raises(StorageError, match="nothing was recorded"):
                    await store.write(insert("lost"))
                await store.write(insert("after"))

        assert proxy.cuts == 1
        assert await asyncio.to_thread(keys, stranger) == ["after"]

    async def test_a_server_process_that_is_ended_while_it_commits_has_recorded_nothing(
        self, postgresql_url: str, stranger: Stranger
    ) -> None:
        stranger.execute(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.source_key = 'slow' THEN PERFORM pg_sleep(30); END IF; RETURN NULL; END $$"
        )
        stranger.execute(
            "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON proposals DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION linger()"
        )
        async with opened(postgresql_url) as store:
            writing = asyncio.create_task(store.write(insert("slow")))
            async with asyncio.timeout(20):
                while not await asyncio.to_thread(terminate, stranger, "query = 'COMMIT' AND state = 'active'"):
                    assert not writing.done()
            with pytest.raises(StorageError, match="nothing was recorded"):
                await writing
            await store.write(insert("after"))

        assert await asyncio.to_thread(keys, stranger) == ["after"]

    async def test_a_server_process_that_is_ended_after_it_committed_has_recorded_all(
        self, server: Server, postgresql_url: str, stranger: Stranger
    ) -> None:
        written: list[object] = []
        ended = 0
        async with opened(postgresql_url) as store:
            with waiting_for_a_standby(server):
                while not ended:  # it takes the server a moment to begin to wait
                    written.append(f"k{len(written)}")
                    writing = asyncio.create_task(store.write(insert(str(written[-1]))))
                    while not ended and not writing.done():
                        ended = await asyncio.to_thread(terminate, stranger, "wait_event = 'SyncRep'")
                    await writing

        assert await asyncio.to_thread(keys, stranger) == written

    async def test_however_often_server_processes_are_ended_every_answer_is_true(
        self, server: Server, name: str, postgresql_url: str, stranger: Stranger
    ) -> None:
        answers: dict[str, object] = {}
        async with opened(postgresql_url) as store:
            with terminated_at_random(server, name) as kills:
                while sum(kills) < 40:
                    number = len(answers)
                    batch = [f"{number}:{part}" for part in range(4)]
                    given = await asyncio.gather(*(store.write(insert(key)) for key in batch), return_exceptions=True)
                    answers |= dict(zip(batch, given, strict=True))

        recorded = set(map(str, await asyncio.to_thread(keys, stranger)))
        refused = {key for key, answer in answers.items() if isinstance(answer, BaseException)}
        assert {type(answers[key]) for key in refused} <= {StorageError}
        assert {key for key in refused if "nothing was recorded" not in str(answers[key])} == set()
        assert recorded == answers.keys() - refused

    async def test_a_commit_that_cannot_be_looked_up_is_neither_promised_nor_denied(
        self, server: Server, name: str, stranger: Stranger
    ) -> None:
        with proxied(server, name) as (url, proxy):
            proxy.refusing_after_a_cut = True
            database = PostgresqlDatabase(make_url(url), busy_timeout=2, patience=0.5)
            store = await asyncio.to_thread(SqlStore, database, queue=10)
            try:
                proxy.cut = Cut.BEFORE_THE_CLIENT_HEARS
                with pytest.raises(StorageError, match="it may or may not have been recorded") as caught:
                    await store.write(insert("lost"))
                assert "nothing was recorded" not in str(caught.value)
                with pytest.raises(StorageError, match="cannot be reached; nothing was recorded"):
                    await store.write(insert("unreachable"))
                proxy.refusing_after_a_cut = False
                await store.write(insert("after"))
            finally:
                await store.close()

        assert await asyncio.to_thread(keys, stranger) == ["lost", "after"]


class TestOthers:
    async def test_whoever_keeps_the_lock_is_named(self, postgresql_url: str) -> None:
        async with opened(postgresql_url, busy_timeout=0.2) as store, AsyncExitStack() as stack:
            holder = await stack.enter_async_context(process("hold", postgresql_url))
            assert await line(holder) == "holding"
            with pytest.raises(
                StorageError, match=rf"is locked by operator .*/{holder.pid} \(server process \d+\); nothing"
            ):
                await store.write(insert("refused"))
            assert await store.read(lambda reader: reader.proposals()) == []

    async def test_a_row_that_somebody_keeps_costs_no_more_than_the_patience(
        self, postgresql_url: str, stranger: Stranger
    ) -> None:
        async with opened(postgresql_url, busy_timeout=0.2) as store:
            with stranger.transaction():
                stranger.execute("UPDATE control SET reason = 'by hand'")
                with pytest.raises(StorageError, match="is locked by another connection; nothing was recorded"):
                    await store.write(lambda tx: tx.lock_control(EVERYTHING))
            assert (await store.write(lambda tx: tx.lock_control(EVERYTHING))).reason == "by hand"

    async def test_a_change_by_hand_in_between_leaves_nothing_half_done(
        self, postgresql_url: str, stranger: Stranger
    ) -> None:
        async with opened(postgresql_url) as store:
            proposal = await store.write(lambda tx: must(tx.insert_proposal(a_proposal())))

            def move(tx: Transaction) -> None:
                assert tx.proposal(proposal.id) == proposal
                stranger.execute("UPDATE proposals SET version = version + 1")
                assert tx.move(proposal, ActionStatus.CANCELLED, {})
                tx.append_audit(an_entry())

            with pytest.raises(StorageError, match="Somebody else changed the database at the same moment"):
                await store.write(move)
            found, head = await store.read(lambda reader: (reader.proposal(proposal.id), reader.audit_head(START)))

        assert (must(found).status, must(found).version, head.seq) == (ActionStatus.PROPOSED, 2, 0)

    async def test_of_two_processes_one_wins_each_claim(self, postgresql_url: str) -> None:
        count = 100
        async with opened(postgresql_url) as store:
            await store.write(lambda tx: insert_approved(tx, count))
            async with AsyncExitStack() as stack:
                racers = [await stack.enter_async_context(process("race", postgresql_url)) for _ in range(2)]
                for racer in racers:
                    assert await line(racer) == "ready"
                for racer in racers:
                    await tell(racer)
                won = [[int(one) for one in (await racer.communicate())[0].split()] for racer in racers]
            claimed = await store.read(lambda reader: reader.proposals(limit=count))

        assert sorted(won[0] + won[1]) == list(range(1, count + 1))
        assert {(one.status, one.version, one.fence) for one in claimed} == {(ActionStatus.EXECUTING, 2, 1)}

    async def test_after_a_kill_no_other_process_claims(self, postgresql_url: str) -> None:
        kills = 600
        async with opened(postgresql_url, busy_timeout=30) as store, AsyncExitStack() as stack:
            script = Script(store, FixedClock())
            await script.set_mode(SafetyMode.EXECUTE)
            claimer = await stack.enter_async_context(process("claim_while_live", postgresql_url))
            assert await line(claimer) == "ready"
            await tell(claimer)
            claims: list[int] = []
            for _ in range(kills):
                killed = await script.set_mode(SafetyMode.OBSERVE, event="kill_switch")
                at_the_kill = await store.read(lambda reader: reader.lease_holder("claims", START))
                later = await store.read(lambda reader: reader.lease_holder("claims", START))
                assert later == at_the_kill, f"a claim came after the kill of epoch {killed.epoch}"
                claims.append(int(at_the_kill or 0))
                await script.set_mode(SafetyMode.EXECUTE)
            await tell(claimer)
            await claimer.wait()

        assert len(set(claims)) > kills // 4, "there was hardly a claim to stop: the test proves nothing"

    async def test_the_log_of_two_processes_is_one_chain(self, postgresql_url: str) -> None:
        async with opened(postgresql_url) as store, AsyncExitStack() as stack:
            other = await stack.enter_async_context(process("write_for_ever", postgresql_url))
            theirs = {await line(other)}
            script = Script(store, FixedClock())
            mine = await asyncio.gather(*(script.whole_life(f"mine:{n}") for n in range(40)))
            theirs |= {await line(other) for _ in range(20)}

        found = await asyncio.to_thread(verify, postgresql_url, [])
        assert found.problems == ()
        assert "" not in theirs, "the other process has ended"
        assert found.rows >= 5 * (len(mine) + len(theirs))


class TestTheTables:
    def test_the_tables_and_the_migrations_agree(self, postgresql_url: str) -> None:
        engine = create_engine(postgresql_url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"include_name": _ours})
            differences = compare_metadata(context, SQLModel.metadata)
        engine.dispose()

        assert differences == []

    def test_every_guard_is_there(self, postgresql_url: str) -> None:
        with database_at(postgresql_url).evidence() as evidence, evidence.snapshot():
            assert evidence.guards_found() == POSTGRESQL_GUARDS

    @pytest.mark.parametrize(
        ("sql", "why"),
        [
            ("UPDATE audit SET actor = 'x' WHERE seq = 1", "the audit log is only added to"),
            ("DELETE FROM audit WHERE seq = 1", "the audit log is only added to"),
            ("TRUNCATE audit", "the audit log is only added to"),
            ("DELETE FROM checkpoints", "checkpoints are only added"),
            ("UPDATE approvals SET person = 'x'", "an approval is never changed"),
            ("DELETE FROM approvals", "an approval is never taken back"),
            ("DELETE FROM proposals", "a proposal is never deleted"),
            ("TRUNCATE proposals CASCADE", "only added|never taken back|never deleted"),
            ("UPDATE proposals SET version = version - 1", "version and fence only grow"),
            ("UPDATE proposals SET fence = -1", "version and fence only grow"),
            ("UPDATE proposals SET status = 'running'", "proposals_status"),
            ("UPDATE proposals SET attempts = 2", "proposals_attempts"),
            ("UPDATE proposals SET status = 'unknown'", "proposals_one_in_flight"),
            ("UPDATE control SET mode = 'halted'", "control_mode"),
            ("UPDATE outbox SET state = 'x'", "outbox_state"),
            (
                "INSERT INTO approvals SELECT 9999, 9999, person, actor, via, '', at, groups FROM approvals LIMIT 1",
                "foreign key",
            ),
        ],
    )
    def test_history_cannot_be_changed(self, lived: tuple[Stranger, str], sql: str, why: str) -> None:
        with pytest.raises(psycopg.IntegrityError, match=why):
            lived[0].execute(sql.encode())

    @pytest.mark.parametrize("column", sorted(FIXED))
    def test_what_was_proposed_cannot_be_changed(self, lived: tuple[Stranger, str], column: str) -> None:
        with pytest.raises(psycopg.IntegrityError, match="what was proposed is never changed"):
            lived[0].execute(f"UPDATE proposals SET {column} = {column} WHERE id = 1".encode())  # noqa: S608 - our own names

    def test_whoever_changes_the_past_is_found_out(self, lived: tuple[Stranger, str]) -> None:
        forger, url = lived
        assert verify(url, []).ok
        for sql in (
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "UPDATE audit SET actor = 'cli:eve@h' WHERE seq = 7",
            "DELETE FROM audit WHERE seq = 20",
            "UPDATE proposals SET reason = 'x' WHERE id = 3",
            "UPDATE control SET mode = 'execute' WHERE scope = '*'",
            "UPDATE records SET result = 'fine' WHERE finished_at IS NOT NULL",
            "DROP TRIGGER approvals_are_not_deleted ON approvals",
            "DELETE FROM approvals WHERE id = 1",
            "CREATE OR REPLACE FUNCTION operator_refuses() RETURNS trigger AS 'BEGIN RETURN NEW; END' LANGUAGE plpgsql",
        ):
            forger.execute(sql.encode())

        problems = " ".join(verify(url, []).problems)
        for told in (
            "The trigger audit_is_not_edited is changed",
            "The trigger approvals_are_not_deleted is gone",
            "The trigger operator_refuses is changed",
            "Line 7 was changed",
            "Before line 21, line 20 is missing",
            "Proposal 3 was edited",
            "The control row of '*' was edited",
            "The record of proposal",
            "are not those that the log knows",
        ):
            assert told in problems

    async def test_a_missing_table_is_a_problem_and_no_crash(self, stranger: Stranger, postgresql_url: str) -> None:
        stranger.execute("ALTER TABLE records RENAME TO hidden")

        (problem,) = (await asyncio.to_thread(verify, postgresql_url, [])).problems
        assert "could not be read to the end" in problem


class TestOpening:
    async def test_processes_that_start_together_make_one_database(self, server: Server) -> None:
        name = server.fresh(template="template1")
        async with AsyncExitStack() as stack:
            starters = [
                await stack.enter_async_context(process("migrate_together", server.url(name))) for _ in range(3)
            ]
            for starter in starters:
                await tell(starter)
            answers = [(await starter.communicate())[0] for starter in starters]
        server.drop(name)

        assert answers == [b"1\n"] * 3

    def test_a_newer_schema_is_refused_by_name(self, postgresql_url: str, stranger: Stranger) -> None:
        stranger.execute("UPDATE alembic_version SET version_num = '0099'")

        with pytest.raises(ConfigurationError, match="has schema 0099; this version of operator knows those up to"):
            SqlStore.open(postgresql_url, clock=FixedClock())

    def test_the_database_of_another_program_is_refused(self, server: Server) -> None:
        name = server.fresh(template="template1")
        with server.connect(name) as connection:
            connection.execute("CREATE TABLE customers (id int)")

        with pytest.raises(ConfigurationError, match="belongs to some other program"):
            SqlStore.open(server.url(name), clock=FixedClock())
        server.drop(name)

    def test_a_server_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match=r"cannot be reached; nothing was recorded\. Check that the server runs"):
            SqlStore.open(f"postgresql+psycopg://ann:secret@/operator?host={tmp_path}", clock=FixedClock())

    def test_no_password_is_in_a_message(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError) as caught:
            SqlStore.open(f"postgresql+psycopg://ann:secret@/operator?host={tmp_path}", clock=FixedClock())

        assert "secret" not in str(caught.value)

    def test_only_the_writers_lock_is_taken(self, postgresql_url: str, stranger: Stranger) -> None:
        stranger.execute(f"SELECT pg_advisory_lock({WRITING})".encode())
        store = SqlStore.open(postgresql_url, clock=FixedClock())  # which reads, and finds nothing to migrate
        asyncio.run(store.close())

        assert ask(stranger, "SELECT count(*) FROM commits") == [0]


def _ours(name: str | None, kind: str, _: object) -> bool:
    return not (kind == "table" and name == "commits")
