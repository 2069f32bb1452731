"""kill -9 at random, with two processes at work on one PostgreSQL database: their connections die with them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Final

from psycopg import sql

from tests.in_memory import memory_folder
from tests.prove.crash_parts.arena import fight_rounds, told
from tests.prove.crash_parts.scripts import lifecycle
from tests.prove.crash_parts.start import begun, warm_up
from tests.prove.crash_parts.world import Place
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import Share, in_shares
from tests.storage.servers import Server, running


def crash_at_random(trial: Trial) -> Outcome:
    """Kill one of two processes again and again."""
    with running() as server, memory_folder() as folder:
        begin = server.fresh()
        base = begun(Place(folder / "base", server.url(begin)))
        copy = server.fresh(begin)
        shutil.copytree(base.folder, folder / "warm")
        warm_up(Place(folder / "warm", server.url(copy)), lifecycle)
        numbers = count()

        @contextmanager
        def places(share: Share) -> Iterator[Place]:
            name = f"round_{share.number}_{next(numbers)}"
            copy_database(server, begin, name)
            with memory_folder() as scratch:
                yield Place(shutil.copytree(base.folder, scratch / "place"), server.url(name))

        together = in_shares(trial, partial(fight_rounds, places=places), processes=os.cpu_count() or 1)
    return told(together.outcome, together.counts)


def copy_database(server: Server, template: str, name: str) -> None:
    """Make a database that is like another one, which nobody uses."""
    with server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )


PROOF: Final = Proof(
    name="crash-postgresql",
    promise="Whichever of two processes on PostgreSQL is killed, whenever: nothing is lost or done twice, the audit "
    "is the state, and every unknown outcome is settled by what happened.",
    count=1_000,
    unit="kills",
    run=crash_at_random,
    bugs={"audit in its own transaction": 200},
)
