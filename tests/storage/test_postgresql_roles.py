"""The roles and rights of the manual, and every way in which a server may turn out to be the wrong one."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from actions.errors import ConfigurationError, OperatorError, StorageError
from actions.models import Reminder, SafetyMode
from actions.ports import OutboxKind, Transaction
from storage.audit_verify import verify
from storage.databases import database_at
from storage.postgresql import require_usable
from storage.store import SqlStore
from tests.factories import START, FixedClock
from tests.rig import ANN, MemoryKillFiles, Rig
from tests.storage.servers import Server

MANUAL = Path(__file__).parents[2] / "docs" / "configuration.md"
ROLES, RIGHTS = re.findall(r"```sql\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
RULES = "local all locked_out scram-sha-256\nlocal all turned_away reject\n"


def prepare(url: str) -> None:
    database_at(url).prepare(clock=FixedClock(), check=False)


def refusal(url: str) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        prepare(url)
    return caught.value


@dataclass(frozen=True)
class Manual:
    """What whoever follows the manual ends up with."""

    owner: str
    bot: str


@pytest.fixture(scope="session")
def manual(server: Server) -> Iterator[Manual]:
    with server.connect() as superuser:
        for statement in ROLES.split(";")[:-1]:
            superuser.execute(statement.encode())
    owner, bot = (server.url("operator", user=user) for user in ("operator_owner", "operator_bot"))
    prepare(owner)
    with server.connect("operator", user="operator_owner") as connection:
        connection.execute(RIGHTS.encode())
    yield Manual(owner=owner, bot=bot)
    server.drop("operator")


@pytest.fixture(scope="session")
def strict(server: Server) -> Server:
    """The server, with roles that it does not let in."""
    with server.connect() as superuser:
        for role in ("locked_out LOGIN PASSWORD 'right'", "turned_away LOGIN", "no_login", "powerless LOGIN"):
            superuser.execute(f"CREATE ROLE {role}".encode())
        file = Path(str(superuser.execute("SHOW hba_file").fetchone()[0]))  # type: ignore[index]  # always one row
        file.write_text(RULES + file.read_text())
        superuser.execute("SELECT pg_reload_conf()")
    while _lets_in(server, "turned_away"):
        pass  # until the server has read its rules
    return server


def _lets_in(server: Server, user: str) -> bool:
    try:
        server.connect(user=user).close()
    except psycopg.OperationalError:
        return False
    return True


class TestTheManual:
    async def test_the_bots_rights_are_enough_for_everything_it_does(self, manual: Manual) -> None:
        clock = FixedClock()
        store = await asyncio.to_thread(SqlStore.open, manual.bot, clock=clock)
        rig = await Rig(store, MemoryKillFiles(), clock).start()
        await rig.executor.execute_proposal(await rig.approved("one"))
        await rig.propose("two")
        for work in _the_rest():
            await store.write(work)
        assert (await rig.safety.kill_switch(by=ANN, reason="test")).cancelled == 1
        clock.advance(3_600)
        pruned = await store.write(lambda tx: tx.prune(before=clock.now(), limit=100))
        await store.close()

        assert pruned > 1
        assert (await asyncio.to_thread(verify, manual.bot, [])).problems == ()

    @pytest.mark.parametrize(
        "forgery",
        [
            "UPDATE audit SET actor = 'cli:eve@h'",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_is_not_edited ON audit",
            "CREATE OR REPLACE FUNCTION operator_refuses() RETURNS trigger AS 'BEGIN RETURN NEW; END' LANGUAGE plpgsql",
            "UPDATE approvals SET person = 'eve'",
            "DELETE FROM proposals",
            "DELETE FROM checkpoints",
            "UPDATE alembic_version SET version_num = '0000'",
            "CREATE TABLE mine (x int)",
            "SET session_replication_role = replica",
        ],
    )
    @pytest.mark.usefixtures("manual")
    def test_the_bot_cannot_change_the_past(self, server: Server, forgery: str) -> None:
        with (
            server.connect("operator", user="operator_bot") as bot,
            pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityError)),
        ):
            bot.execute(forgery.encode())

    @pytest.mark.usefixtures("manual")
    def test_the_bot_says_what_it_may_not(self, server: Server) -> None:
        name = server.fresh(template="template1")
        error = refusal(server.url(name, user="operator_bot"))
        server.drop(name)

        assert "does not give this user the rights it needs; nothing was recorded. Grant what docs/conf" in str(error)


class TestTheWrongServer:
    @pytest.mark.parametrize(
        ("user", "said"),
        [
            (
                "locked_out",
                "does not take this user's password; nothing was recorded. Put the right one into ~/.pgpass",
            ),
            ("locked_out:wrong", "does not take this user's password"),
            ("turned_away", "does not let this user in from here; nothing was recorded. Give the role LOGIN, and a"),
            ("no_login", "does not let this user in from here"),
            ("nobody_at_all", "does not let this user in from here"),
        ],
    )
    def test_a_user_who_is_not_let_in_is_told_why(self, strict: Server, user: str, said: str) -> None:
        error = refusal(strict.url("postgres", user=user))

        assert said in str(error)
        assert error.exit_code == 3
        assert "wrong" not in str(error)

    def test_a_database_that_is_not_there_is_told_with_the_way_to_make_it(self, server: Server) -> None:
        error = refusal(server.url("nowhere"))

        assert "does not exist; nothing was recorded. Create it: CREATE DATABASE …" in str(error)
        assert error.exit_code == 3

    @pytest.mark.usefixtures("strict")
    def test_the_tables_of_somebody_else_are_told(self, postgresql_url: str) -> None:
        url = postgresql_url.replace("postgres@", "powerless@")

        assert "does not give this user the rights it needs" in str(refusal(url))

    def test_a_port_where_nobody_listens_is_told(self) -> None:
        error = refusal("postgresql+psycopg://ann@127.0.0.1:1/operator")

        assert "cannot be reached; nothing was recorded. Check that the server runs" in str(error)
        assert error.exit_code == 3

    def test_a_database_that_takes_no_changes_is_told(self, server: Server) -> None:
        name = server.fresh()
        with server.connect() as superuser:
            superuser.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        error = refusal(server.url(name))
        server.drop(name)

        assert "is read-only, perhaps a standby; nothing was recorded. Set `database` to the primary" in str(error)
        assert error.exit_code == 3

    def test_another_encoding_is_told(self, server: Server) -> None:
        with server.connect() as superuser:
            superuser.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        error = refusal(server.url("latin"))
        server.drop("latin")

        assert "keeps text as LATIN1. Make one with: CREATE DATABASE … ENCODING 'UTF8'" in str(error)

    @pytest.mark.parametrize(
        ("version", "encoding", "fsync", "said"),
        [
            (120_022, "UTF8", "on", "is PostgreSQL 12, which is too old; operator needs 13 or newer"),
            (130_000, "SQL_ASCII", "on", "keeps text as SQL_ASCII"),
            (180_004, "UTF8", "off", "a power cut loses what was acknowledged. Set fsync = on"),
        ],
    )
    def test_a_server_that_nothing_can_be_entrusted_to_is_refused(
        self, version: int, encoding: str, fsync: str, said: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=re.escape(said)):
            require_usable("x at y", version=version, encoding=encoding, fsync=fsync)
        require_usable("x at y", version=130_000, encoding="UTF8", fsync="on")

    async def test_a_primary_that_becomes_a_standby_is_told(self, postgresql_url: str) -> None:
        store = await asyncio.to_thread(SqlStore.open, postgresql_url, clock=FixedClock())

        def turn(tx: Transaction) -> None:
            tx._channel.tell("SET TRANSACTION READ ONLY", {})  # type: ignore[attr-defined]  # as a standby would
            tx.take_inbox("k", body_hash="h", reply="", at=START)

        with pytest.raises(StorageError, match="is read-only, perhaps a standby; nothing was recorded"):
            await store.write(turn)
        await store.close()


class TestTheCommandLine:
    """Over the address of a server, as a process of its own."""

    async def test_every_command_that_reads_works(self, manual: Manual, tmp_path: Path) -> None:
        store = await asyncio.to_thread(SqlStore.open, manual.bot, clock=FixedClock())
        rig = await Rig(store, MemoryKillFiles(), FixedClock(), owner="host/2/b").start()
        proposal_id = await rig.approved("three")
        await rig.executor.execute_proposal(proposal_id)
        assert (await rig.safety.control()).mode is SafetyMode.EXECUTE
        await store.close()
        (tmp_path / "operator.toml").write_text(f'database = "{manual.bot}"\nstate_dir = "{tmp_path}/state"\n')
        answers = {
            command: await asyncio.to_thread(_operator, tmp_path, *command.split())
            for command in (
                "actions list --json",
                f"actions show {proposal_id}",
                "actions mode",
                "audit list",
                "audit verify",
                "audit export",
                "digest preview",
                "subjects list",
            )
        }

        assert {command: answer.returncode for command, answer in answers.items() if answer.returncode} == {}
        assert '"status": "completed"' in answers["actions list --json"].stdout
        assert "completed" in answers[f"actions show {proposal_id}"].stdout
        assert answers["audit export"].stdout.count("\n") >= 5

    def test_a_server_that_cannot_be_reached_is_exit_code_3(self, tmp_path: Path) -> None:
        url = "postgresql+psycopg://ann@127.0.0.1:1/operator"
        (tmp_path / "operator.toml").write_text(f'database = "{url}"\nstate_dir = "{tmp_path}/state"\n')
        for command in ("actions list", "audit verify", "actions mode"):
            answer = _operator(tmp_path, *command.split())
            assert answer.returncode == 3, command
            assert "cannot be reached" in answer.stderr
            assert "Traceback" not in answer.stderr


def _operator(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("operator")
    return subprocess.run([program, *arguments], cwd=home, capture_output=True, text=True, check=False)  # noqa: S603 - our own console script


def _the_rest() -> list[Callable[[Transaction], object]]:
    later = START + timedelta(minutes=1)
    return [
        lambda tx: tx.take_inbox("key", body_hash="h", reply="", at=START),
        lambda tx: tx.claim_run("digest", START, START),
        lambda tx: tx.hold_lease("run", "me", now=START, until=later),
        lambda tx: tx.hold_lease("run", "me", now=START, until=later),
        lambda tx: tx.drop_lease("run", "me"),
        lambda tx: tx.forget_message(OutboxKind.CARD, "1"),
        lambda tx: [tx.outbox_delivered(item) for item in tx.outbox_due(later, 100)],
        lambda tx: tx.save_checkpoint(tx.audit_head(START), "file:/w"),
        lambda tx: tx.save_reminder(Reminder(proposal_id=1, due_at=START)),
        lambda tx: tx.save_reminder(Reminder(proposal_id=1, due_at=later)),
        lambda tx: tx.drop_reminder(1),
    ]
