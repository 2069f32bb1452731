"""Every store, the core over it, and a rack that breaks."""

import pytest

from tests.actions.conftest import clock, memory_rig, migrated, path, postgresql_url, rig, server, sql_store, store, url
from tests.agent.rack import Rack
from tests.rig import Rig

__all__ = ["clock", "memory_rig", "migrated", "path", "postgresql_url", "rig", "server", "sql_store", "store", "url"]


@pytest.fixture
def rack(rig: Rig) -> Rack:
    return Rack(rig)
