import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actions.calendar import ALWAYS, ENDLESS
from actions.diagnosis.models import Severity
from actions.errors import ConfigurationError
from actions.limits import Limits
from actions.models import Risk, Verb
from actions.policy import Scope, UnattendedRule
from bot.reach import build_calendar, build_limits
from bot.settings import Settings, load

WHOLE = """
database = "sqlite:///data/operator.db"
channel = "C0DEFAULT"
incident_channels = ["C0INCIDENT"]

[people.ann]
slack = ["T1/UANN"]
cli = ["ann"]
[people.bo]
slack = ["T1/UBO"]

[approvers]
approve = ["ann"]

[approval.high]
required = 2
lifetime = "90min"

[subjects.etcd]
kind = "etcd"
endpoints = ["http://127.0.0.1:2379"]

[[routes]]
subject = "etcd"
severity = "Critical"
channel = "#fire"
[[routes]]
subject = "etcd"
channel = "C0ETCD"

[[digests]]
name = "morning"
at = "09:00"
timezone = "Europe/Berlin"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPERATOR_CONFIG", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(home: Path, text: str) -> Path:
    path = home / "operator.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused() -> str:
    with pytest.raises(ConfigurationError) as caught:
        load()
    return str(caught.value)


def test_an_empty_file_means_the_defaults_and_nobody_may_approve(home: Path) -> None:
    write(home, "")

    settings = load()

    assert settings.database == f"sqlite:///{home}/operator.db"
    assert settings.state_dir == home / "state"
    assert settings.allowed().verbs[Verb.APPROVE] == frozenset()


def test_paths_are_seen_from_the_file_and_not_from_where_the_command_is_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(home, WHOLE)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("OPERATOR_CONFIG", str(path))

    settings = load()

    assert settings.database == f"sqlite:///{home}/data/operator.db"
    assert settings.state_dir == home / "state"


def test_the_environment_stands_above_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, WHOLE)
    monkeypatch.setenv("OPERATOR__APPROVAL__HIGH__REQUIRED", "3")
    monkeypatch.setenv("OPERATOR__APPROVERS__APPROVE", '["ann", "bo"]')
    monkeypatch.setenv("OPERATOR__SUBJECTS__ETCD__PASSWORD", "123456")

    settings = load()

    assert settings.allowed().approvals[Risk.HIGH] == 3
    assert settings.lifetimes()[Risk.HIGH] == timedelta(minutes=90)
    assert settings.allowed().verbs[Verb.APPROVE] == {"ann", "bo"}
    assert settings.subjects["etcd"].options == {"endpoints": ["http://127.0.0.1:2379"], "password": "123456"}


def test_missing_lists_fall_back_to_everybody_for_stopping_and_to_approvers_for_the_rest(home: Path) -> None:
    write(home, WHOLE)

    verbs = load().allowed().verbs

    assert verbs[Verb.KILL] == verbs[Verb.CANCEL] == {"ann", "bo"}
    assert verbs[Verb.SET_MODE] == verbs[Verb.RESOLVE] == {"ann"}


def test_an_empty_list_means_nobody(home: Path) -> None:
    write(home, WHOLE.replace('approve = ["ann"]', 'approve = ["ann"]\nkill = []'))

    assert load().allowed().verbs[Verb.KILL] == frozenset()


def test_the_first_route_that_matches_decides(home: Path) -> None:
    write(home, WHOLE)
    settings = load()

    assert settings.channel_for("etcd", Severity.CRITICAL) == "#fire"
    assert settings.channel_for("etcd", Severity.INFO) == "C0ETCD"
    assert settings.channel_for("queue", Severity.CRITICAL) == "C0DEFAULT"
    assert settings.allowed_channels == {"C0DEFAULT", "C0INCIDENT", "#fire", "C0ETCD"}


def test_every_problem_is_told_at_once_with_its_key_and_how_to_mend_it(home: Path) -> None:
    write(
        home,
        """
        chanel = "C1"
        [people.ann]
        slack = ["T1/U1"]
        [people.bo]
        slack = ["T1/U1"]
        [approvers]
        approve = ["an"]
        [approval.high]
        required = 0
        lifetime = "soon"
        [subjects.etcd]
        kind = "etdc"
        [[digests]]
        name = "m"
        at = "25:00"
        """,
    )

    said = refused()

    assert 'chanel: there is no such key. Did you mean "channel"?' in said
    assert "people.bo.slack: T1/U1 is listed for ann too" in said
    assert "approvers.approve: nobody in [people] or [groups] is called 'an'. Did you mean \"ann\"?" in said
    assert "approval.high.required = 0 is out of range" in said
    assert "For example: required = 2" in said
    assert "approval.high.lifetime: not a length of time" in said
    assert 'subjects.etcd.kind is not one that can be used. Expected "etcd" or "supervisor".' in said
    assert "digests[0]: '25:00' is not a time of day" in said
    assert "digests[0].channel is missing" in said
    assert "8 things are wrong" in said


RULE = """
[subjects.etcd]
kind = "etcd"
endpoints = ["http://127.0.0.1:2379"]
[[unattended]]
name = "restart-crashed-worker"
subject = "etcd"
action = "etcd.disarm_*"
"""


def test_rules_for_what_runs_unattended_are_read(home: Path) -> None:
    write(home, RULE)

    (rule,) = load().allowed().unattended

    assert rule == UnattendedRule(name="restart-crashed-worker", subject="etcd", action="etcd.disarm_*")
    assert rule.scope == Scope(subject="etcd", action="etcd.disarm_*", risks=frozenset({Risk.LOW}))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('action = "etcd', 'risk = ["high"]\naction = "etcd', "unattended[0]: only actions of low risk run unattended"),
        ('action = "etcd', 'risk = ["low"]\naction = "etcd', "so a rule names no risk; remove it"),
        ('action = "etcd.disarm_*"', "", "unattended[0].action is missing. Expected an action; * stands for anything"),
        ('subject = "etcd"', "", "unattended[0].subject is missing."),
        ('subject = "etcd"', 'subject = "etdc"', "no [subjects.…] is called 'etdc'. Did you mean \"etcd\"?"),
        ("restart-crashed-worker", "Restart it", "unattended[0].name = 'Restart it' is not one that can be used"),
        ("[[unattended]]", '[[unattended]]\nname = "x"\nsubject = "*"\naction = "*"\n[[unattended]]', ""),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_key(home: Path, old: str, new: str, said: str) -> None:
    write(home, RULE.replace(old, new))

    if said:
        assert said in refused()
    else:
        assert len(load().unattended) == 2


def test_two_rules_need_two_names(home: Path) -> None:
    write(home, RULE + RULE[RULE.index("[[") :])

    assert "unattended: 2 are called 'restart-crashed-worker'. Each needs its own name" in refused()


@pytest.mark.parametrize("key", ["grants", "denials"])
def test_every_verb_but_abort_can_be_granted_and_denied(home: Path, key: str) -> None:
    list_of = {"grants": "may", "denials": "may_not"}[key]
    verbs = ", ".join(f'"{verb.value}"' for verb in Verb if verb is not Verb.ABORT)
    write(home, f'[people.ann]\ncli = ["ann"]\n[[{key}]]\nwho = ["ann"]\n{list_of} = [{verbs}]')
    policy = load().allowed()
    assert (policy.granted or policy.denied)[0].verbs == frozenset(Verb) - {Verb.ABORT}

    write(home, f'[people.ann]\ncli = ["ann"]\n[[{key}]]\nwho = ["ann"]\n{list_of} = ["abort"]')
    assert f"{key}[0].{list_of}[0]: everybody in the workspace may abort" in refused()


def test_names_of_approvers_are_checked_for_every_verb(home: Path) -> None:
    write(home, '[approvers]\nedit = ["a"]\nreview = ["b"]\nbreak_glass = ["c"]')

    said = refused()

    for key in ("edit", "review", "break_glass"):
        assert f"approvers.{key}: nobody in [people] or [groups] is called" in said


def test_limits_are_on_by_default_and_zero_takes_them_off(home: Path) -> None:
    write(home, "")
    assert build_limits(load()) == Limits(
        actions_per_hour=20, proposals_per_hour=60, open_cards=20, failures_in_a_row=3
    )

    keys = ("actions_per_hour", "proposals_per_hour", "open_cards", "failures_in_a_row")
    write(home, "[limits]\n" + "\n".join(f"{key} = 0" for key in keys))
    assert build_limits(load()) == Limits()

    write(home, "[limits]\nopen_cards = -1")
    assert "limits.open_cards = -1 is out of range. Expected how many actions" in refused()


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ('slack_bot_token = "xoxb-1"', "SLACK_BOT_TOKEN"),
        ('ingest_token = "0123456789abcdef"', "OPERATOR_INGEST_TOKEN"),
        ('admin_token = "0123456789abcdef"', "OPERATOR_ADMIN_TOKEN"),
        ('database = "postgresql+psycopg://bot:hunter2@db/operator"', "OPERATOR__DATABASE"),
        ('[subjects.etcd]\nkind = "etcd"\npassword = "hunter2"', "OPERATOR__SUBJECTS__ETCD__PASSWORD"),
        ('[subjects.etcd]\nkind = "etcd"\nnote = "xapp-1-A"', "OPERATOR__SUBJECTS__ETCD__NOTE"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(home: Path, text: str, variable: str) -> None:
    write(home, text)

    said = refused()

    assert f"set the environment variable {variable}." in said
    assert "hunter2" not in said
    assert "xoxb-1" not in said


def test_secrets_come_from_the_environment_and_are_never_printed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, WHOLE)
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-canary")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "canary-old, canary-new")
    monkeypatch.setenv("OPERATOR_INGEST_TOKEN", "canary-0123456789")
    monkeypatch.setenv("OPERATOR__DATABASE", "postgresql+psycopg://bot:canary@db/operator")
    monkeypatch.setenv("OPERATOR__SUBJECTS__ETCD__PASSWORD", "canary")

    settings = load()

    assert "canary" not in repr(settings)
    assert "canary" not in settings.database_shown
    assert settings.signing_secrets == ("canary-old", "canary-new")


def test_a_wrong_secret_is_refused_without_showing_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "")
    monkeypatch.setenv("OPERATOR_INGEST_TOKEN", "canary")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xapp-canary")

    said = refused()

    assert "OPERATOR_INGEST_TOKEN" in said
    assert "SLACK_BOT_TOKEN holds another kind of token" in said
    assert "canary" not in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OPERATOR__FOO", "1", "foo: there is no such key"),
        ("OPERATOR__AGENT__INTERVALL", "3", 'agent.intervall: there is no such key. Did you mean "interval"?'),
        ("OPERATOR__DIGESTS", "[", "OPERATOR__DIGESTS is not valid JSON"),
        ("OPERATOR__AGENT__INTERVAL", "-3", "agent.interval"),
    ],
)
def test_a_variable_that_means_nothing_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    write(home, "")
    monkeypatch.setenv(name, value)

    assert said in refused()


def test_one_token_does_not_serve_for_two_purposes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "")
    monkeypatch.setenv("OPERATOR_INGEST_TOKEN", "canary-0123456789")
    monkeypatch.setenv("OPERATOR_ADMIN_TOKEN", "canary-0123456789")

    said = refused()

    assert "OPERATOR_ADMIN_TOKEN is the same as OPERATOR_INGEST_TOKEN" in said
    assert "canary" not in said
    monkeypatch.setenv("OPERATOR_ADMIN_TOKEN", "another-0123456789")
    assert load().admin_token is not None


@pytest.mark.parametrize(("people", "fits"), [("0", False), ("1", True), ("5", True), ("6", False)])
def test_between_one_and_five_people_lift_a_stop(home: Path, people: str, fits: bool) -> None:
    write(home, f"[limits]\nlift_people = {people}")

    if fits:
        assert load().limits.lift_people == int(people)
    else:
        assert "limits.lift_people" in refused()


@pytest.mark.usefixtures("home")
def test_a_directory_without_configuration_is_not_taken_for_an_empty_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "There is no operator.toml" in refused()

    monkeypatch.setenv("OPERATOR_CONFIG", "missing.toml")
    assert "OPERATOR_CONFIG names" in refused()


def test_a_database_named_by_the_environment_needs_no_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR__DATABASE", "sqlite:///here.db")

    assert load().database == f"sqlite:///{home}/here.db"


def test_broken_toml_is_refused_with_its_place(home: Path) -> None:
    write(home, "channel = \n")

    assert "line 1" in refused()


def test_a_file_that_anybody_may_change_is_refused(home: Path) -> None:
    write(home, "").chmod(0o666)

    assert "chmod o-w" in refused()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"15s"', timedelta(seconds=15)),
        ('"5min"', timedelta(minutes=5)),
        ('"1h"', timedelta(hours=1)),
        ('"1.5 d"', timedelta(days=1.5)),
        ("0.5", timedelta(seconds=0.5)),
    ],
)
def test_durations_are_read_as_people_write_them(home: Path, written: str, meant: timedelta) -> None:
    write(home, f"[agent]\ninterval = {written}")

    assert load().agent.interval == meant


@pytest.mark.parametrize("written", ['"soon"', "true", "-1", "0", '"1y"', "inf", '"9999999999d"', "[1]"])
def test_other_durations_are_refused(home: Path, written: str) -> None:
    write(home, f"[agent]\ninterval = {written}")

    assert "agent.interval" in refused()


WINDOWS = """
[[freezes]]
name = "new-year"
from = "2026-12-20 00:00"
until = "2027-01-02 08:00"
timezone = "Europe/Berlin"
risk = ["high"]
[[freezes]]
name = "stop"
from = 2026-03-29T02:30:00
timezone = "Europe/Berlin"
subject = "etcd"
[[freezes]]
name = "old"
until = 2026-10-25 02:30:00
timezone = "Europe/Berlin"
[[maintenance]]
name = "nightly"
cron = "0 22 * * mon-fri"
duration = "8h"
timezone = "America/New_York"
"""


def test_windows_are_read_in_their_zone_also_where_clocks_skip_or_repeat(home: Path) -> None:
    write(home, WINDOWS)
    settings, at = load(), datetime(2026, 3, 1, tzinfo=UTC)

    calendar = build_calendar(settings)

    periods = [next(one.periods(at)) for one in (*calendar.freezes, *calendar.maintenance)]
    assert [(one.starts, one.ends) for one in periods] == [
        (datetime(2026, 12, 19, 23, tzinfo=UTC), datetime(2027, 1, 2, 7, tzinfo=UTC)),
        (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), ENDLESS),
        (ALWAYS, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 3, 3, 3, tzinfo=UTC), datetime(2026, 3, 3, 11, tzinfo=UTC)),
    ]
    assert [one.scope for one in calendar.freezes] == [
        Scope(risks=frozenset({Risk.HIGH})),
        Scope(subject="etcd"),
        Scope(),
    ]


CRON = 'cron = "0 22 * * *"\n'
FROM = 'from = "2026-12-20 00:00"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "freezes[0]: nothing says when. Write cron ="),
        ('duration = "8h"', "freezes[0]: nothing says when. Write cron ="),
        (CRON, 'freezes[0].duration is missing: cron says only when it begins. Write, for example: duration = "8h"'),
        (CRON + FROM, "freezes[0]: cron comes again and again, from and until come once. Keep one"),
        (FROM + 'duration = "8h"', "freezes[0].duration goes with cron; from and until say it already. Remove it."),
        (FROM + 'until = "2026-12-20 00:00"', "freezes[0]: until is not after from, so it never holds"),
        ('from = "2026-12-20"', "freezes[0].from: not a local time such as"),
        ('from = "2026-02-30 00:00"', 'Expected a local time. For example: from = "2026-12-20 00:00"'),
        ("from = 2026-12-20T00:00:00Z", "freezes[0].from: not a local time such as"),
        ("from = 2026", "freezes[0].from: not a local time such as"),
        (FROM + 'util = "2027-01-02 08:00"', 'freezes[0].util: there is no such key. Did you mean "until"?'),
        (FROM + "form = 1", 'freezes[0].form: there is no such key. Did you mean "from"?'),
        ('cron = "0 25 * * *"\nduration = "8h"', "freezes[0].cron: the hour '25' is not within 0-23"),
        ('cron = "*/5 * * * *"\nduration = "8h"', "freezes[0].cron: it begins more than once an hour; give one minute"),
        (CRON + 'duration = "10s"', "freezes[0].duration = '10s' is out of range. Expected how long it lasts each"),
        (CRON + 'duration = "8h"\ntimezone = "Berlin"', "freezes[0].timezone: 'Berlin' is no time zone"),
        (f'{FROM}[[freezes]]\nname = "x"\n{FROM}', "freezes: 2 are called 'x'. Each needs its own name"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_its_key_and_how_to_mend_it(home: Path, text: str, said: str) -> None:
    write(home, f'[[freezes]]\nname = "x"\n{text}')

    assert said in refused()


def test_what_is_wrong_with_several_windows_is_told_at_once(home: Path) -> None:
    write(home, f'[[freezes]]\nname = "X"\n{CRON}[[maintenance]]\nname = "y"\n[[maintenance]]\nname = "y"\n{FROM}')

    said = refused()

    assert "freezes[0].name" in said
    assert "freezes[0].duration is missing" in said
    assert "maintenance[0]: nothing says when" in said
    assert "maintenance: 2 are called 'y'" in said
    assert "4 things are wrong" in said


@pytest.mark.parametrize("database", ["mysql://db/x", "sqlite://", "sqlite:///:memory:", "postgresql://db/x", "x.db"])
def test_databases_that_cannot_be_used_are_refused(home: Path, database: str) -> None:
    write(home, f'database = "{database}"')

    assert "Expected sqlite:///FILE or postgresql+psycopg://HOST/NAME" in refused()


@pytest.mark.usefixtures("home")
def test_settings_can_be_made_without_file_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-not-this")
    table = tomllib.loads(WHOLE)

    settings = Settings(**table)

    assert settings.slack_bot_token is None
    assert settings.database == "sqlite:///data/operator.db"
