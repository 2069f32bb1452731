"""Rules for every test: nothing is skipped where it counts, and nothing blocks the event loop."""

import gc
import os
from collections.abc import Generator, Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

from tests.in_memory import memory

os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory())  # where `tmp_path` lies: thousands of tests sync files
settings.register_profile("operator", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("operator")


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    with blockbuster_ctx(["actions", "bot", "storage"]) as active:
        # A kill file is a zero-byte file that must be seen by the claim itself, and lie there before anything else
        # happens; each look and each change costs microseconds.
        for name in ("os.scandir", "os.listdir", "os.stat", "os.mkdir", "os.unlink"):
            if name in active.functions:
                active.functions[name].can_block_in("storage/kill_files.py", {"present", "drop", "remove"})
        yield active


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Spell out what hostile texts leave in captured logs, so that one process can tell another of them."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


class NothingLeftOut:
    """Fails a run in CI if any test was skipped, expected to fail or deselected, and says how many ran."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self.ran = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped or hasattr(report, "wasxfail"):
            self.left_out.append(f"{report.nodeid}: {report.longrepr or 'expected to fail'}")
        elif report.when == "call":
            self.ran += 1

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.left_out += [f"{item.nodeid}: deselected" for item in items]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if os.environ.get("CI") and self.left_out:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(f"{self.ran} tests ran, {len(self.left_out)} were left out.")
        for line in self.left_out if os.environ.get("CI") else ():
            terminalreporter.write_line(f"left out: {line}", red=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start more than there are cores: many tests wait for processes, and not for this one."""
    return 2 + (os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """Keep the collector from walking through all that was imported again and again: a fifth of the time of a test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(NothingLeftOut())
