"""docs/configuration.md lists exactly the keys that there are, and its example can be used."""

import re
import tomllib
from pathlib import Path

import pytest

from actions.subjects.etcd.config import EtcdConfig
from actions.subjects.supervisor.config import SupervisorConfig
from bot.cli.policy_facts import offered
from bot.policy_lint import lint
from bot.settings import Settings, load
from tests.configuration_table import rows

DOCS = Path(__file__).parent.parent / "docs"
DOC = (DOCS / "configuration.md").read_text()


def test_every_key_is_listed_as_the_settings_describe_it() -> None:
    assert [line for line in DOC.splitlines() if line.startswith("| `") and line.count("|") == 5] == rows()


@pytest.mark.parametrize("model", [EtcdConfig, SupervisorConfig])
def test_every_key_of_a_subject_is_listed(model: type[EtcdConfig | SupervisorConfig]) -> None:
    kind = model.model_fields["kind"].default
    row = next(line for line in DOC.splitlines() if line.startswith(f"| `{kind}` |"))

    assert {name for name in model.model_fields if f"`{name}`" not in row} == {"kind"}


@pytest.mark.parametrize("page", ["configuration.md", "slack.md"])
def test_the_examples_can_be_used(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)[0]
    (tmp_path / "operator.toml").write_text(example)
    monkeypatch.setenv("OPERATOR_CONFIG", str(tmp_path / "operator.toml"))

    settings = load()

    assert settings.allowed().people
    assert set(settings.subjects) >= {"etcd"}


def test_the_example_of_windows_can_be_used() -> None:
    section = DOC[DOC.index("## When actions may run") :]
    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", section, re.DOTALL)[0])

    settings = Settings(**example)

    assert [one.name for one in (*settings.freezes, *settings.maintenance)] == ["new-year", "nightly"]


async def test_the_example_of_a_rule_names_an_action_of_low_risk() -> None:
    section = DOC[DOC.index("## What runs unattended") :]
    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", section, re.DOTALL)[0])
    settings = Settings(**example, subjects={"processes": {"kind": "supervisor", "url": "http://127.0.0.1:9001"}})

    findings = lint(settings.allowed(), subjects=settings.subjects, offered=await offered(settings), rosters={})

    assert [one for one in findings if one.where.startswith("[[unattended]]")] == []
    assert settings.allowed().unattended[0].name == "restart-crashed-worker"
