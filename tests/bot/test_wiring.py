import asyncio
from dataclasses import fields
from pathlib import Path

import pytest

from actions.errors import ConfigurationError, NotAllowedError, StorageError
from actions.models import EVERYTHING, SafetyMode
from bot.reach import Ceiling, witness_path
from bot.settings import Settings
from bot.wiring import Parts, opened, prepare_state_dir
from tests.bot.running import ANN, built_bot, local_workspace, settings_for
from tests.rig import ANN_CLI, MemoryKillFiles


def a_configuration(folder: Path, **over: object) -> Settings:
    given: dict[str, object] = {
        "database": f"sqlite:///{folder}/operator.db",
        "state_dir": folder / "state",
        "people": {"ann": {"cli": ["ann"]}},
        "approvers": {"approve": ["ann"]},
    }
    return Settings.model_validate(given | over)


async def test_everything_that_entry_points_act_on_is_built_over_one_database(tmp_path: Path) -> None:
    settings = a_configuration(tmp_path, subjects={"processes": {"kind": "supervisor", "url": "http://127.0.0.1:1"}})
    async with opened(settings) as parts:
        assert all(getattr(parts, field.name) is not None for field in fields(Parts))
        assert parts.settings is settings
        assert sorted(parts.subjects) == ["processes"]
        assert [action.subject for action in parts.registry] == ["processes"] * len(parts.registry)
        assert (await parts.safety.control()).mode is SafetyMode.OBSERVE
        control = await parts.store.read(lambda reader: reader.control("processes"))
        assert (control.mode, control.changed_by) == (SafetyMode.EXECUTE, "system:start")

    with pytest.raises(StorageError, match="was closed"):
        await parts.store.read(lambda reader: reader.controls())


async def test_a_subject_is_made_known_once_however_often_it_is_opened(tmp_path: Path) -> None:
    settings = a_configuration(tmp_path, subjects={"processes": {"kind": "supervisor", "url": "http://127.0.0.1:1"}})
    for _ in range(3):
        async with opened(settings):
            pass
    async with opened(settings) as parts:
        events = await parts.auditor.events()
    assert [event.data["scope"] for event in events if event.event == "mode_change"] == ["processes"]


async def test_what_fails_half_way_leaves_the_database_closed(tmp_path: Path) -> None:
    async with opened(a_configuration(tmp_path)):
        pass
    (tmp_path / "state" / "button.key").write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="is damaged"):
        async with opened(a_configuration(tmp_path)):
            pass
    (tmp_path / "state" / "button.key").unlink()

    async with opened(a_configuration(tmp_path)) as parts:
        assert await parts.store.read(lambda reader: reader.controls())


def test_the_state_directory_is_made_for_this_user_alone(tmp_path: Path) -> None:
    prepare_state_dir(tmp_path / "a" / "state")

    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700
    prepare_state_dir(tmp_path / "a" / "state")


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o705, 0o701, 0o777])
def test_a_state_directory_that_others_can_enter_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)

    with pytest.raises(ConfigurationError, match=f"Run: chmod 700 {tmp_path}/state"):
        prepare_state_dir(tmp_path / "state")


def test_a_state_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="cannot be made"):
        prepare_state_dir(tmp_path / "file" / "state")


def test_the_witness_lies_beside_the_kill_files(tmp_path: Path) -> None:
    assert witness_path(a_configuration(tmp_path)) == tmp_path / "state" / "witness.log"


def test_a_ceiling_holds_back_whatever_lies_in_the_directory_and_is_no_file() -> None:
    files = MemoryKillFiles()
    ceiling = Ceiling(files)
    assert ceiling.present() == [Ceiling.NAME]

    name = ceiling.drop()
    assert ceiling.present() == [Ceiling.NAME, name]
    ceiling.remove(ceiling.present())

    assert files.present() == []
    assert ceiling.present() == [Ceiling.NAME]


async def test_under_a_ceiling_nothing_is_proposed_although_the_stored_mode_is_execute(tmp_path: Path) -> None:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path, mode_ceiling="observe")
        async with built_bot(workspace, settings) as bot:
            await bot.parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="test")
            stored = await bot.read(lambda reader: reader.control(EVERYTHING))
            assert stored.mode is SafetyMode.EXECUTE
            assert (await bot.parts.safety.control()).mode is SafetyMode.OBSERVE
            with pytest.raises(NotAllowedError):
                await bot.propose("a")


async def test_a_process_that_cannot_ask_slack_lets_the_command_line_act_and_nobody_of_slack(tmp_path: Path) -> None:
    async with opened(a_configuration(tmp_path)) as parts:
        await parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="test")
        with pytest.raises(NotAllowedError, match="cannot ask Slack who that is"):
            await parts.safety.set_mode(SafetyMode.OBSERVE, by=ANN)


async def test_news_reach_whoever_attached(tmp_path: Path) -> None:
    async with local_workspace() as workspace, built_bot(workspace, settings_for(workspace, tmp_path)) as bot:
        heard = asyncio.Event()
        bot.signals.attach(heard.set)

        await bot.parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="test")

        assert heard.is_set()
