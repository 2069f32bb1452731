import json
from typing import Any

import pytest

from bot.cli.caller import login
from tests.bot.cli.home import Home
from tests.bot.views.samples import an_output


def a_file(home: Home, **over: Any) -> str:
    document = an_output(recommended_actions=()).model_dump(mode="json") | over
    (home.path / "diagnosis.json").write_text(json.dumps(document), encoding="utf-8")
    return "diagnosis.json"


ABOUT = ("--subject", "processes", "--target", "n1")


def test_a_diagnosis_from_a_file_is_stored_under_the_name_of_who_handed_it_in(home: Home) -> None:
    said = home.run("propose", "--file", a_file(home), *ABOUT)

    assert (said.code, said.out) == (0, "Diagnosis 1 is stored.\n")
    assert "recommends no action" in said.err
    last = json.loads(home.run("audit", "list", "--json", "--limit", "1").out)[0]
    assert last["event"] == "diagnosed"
    assert last["actor"].startswith(f"cli:{login()}@")
    assert last["data"]["source"] == f"cli/{login()}"


def test_the_body_of_the_http_interface_is_taken_as_it_is_and_options_stand_above_it(home: Home) -> None:
    file = a_file(home, subject="processes", target="n1", source="monitor")

    said = home.run("propose", "--file", file, "--target", "n2", "--json")

    assert said.code == 0
    last = json.loads(home.run("audit", "list", "--json", "--limit", "1").out)[0]
    assert (last["data"]["source"], last["data"]["target"]) == ("monitor", "n2")


def test_a_diagnosis_can_come_from_standard_input(home: Home) -> None:
    content = (home.path / a_file(home)).read_text(encoding="utf-8")

    handing_in = home.start("propose", "--file", "-", *ABOUT, "--json")
    out, _ = handing_in.communicate(content)

    assert handing_in.returncode == 0
    assert json.loads(out) == {"diagnosis_id": 1, "proposals": [], "refused": []}


def test_doing_it_again_changes_nothing_and_other_content_needs_another_key(home: Home) -> None:
    first = home.run("propose", "--file", a_file(home), *ABOUT, "--key", "k")
    again = home.run("propose", "--file", a_file(home), *ABOUT, "--key", "k")
    other = home.run("propose", "--file", a_file(home, confidence="low"), *ABOUT, "--key", "k")

    assert first.out == again.out
    assert other.code == 1
    assert "was used before" in other.err


def test_recommendations_that_cannot_be_proposed_are_named_and_the_exit_code_tells(home: Home) -> None:
    recommended = an_output().model_dump(mode="json")["recommended_actions"]
    said = home.run("propose", "--file", a_file(home, recommended_actions=recommended), *ABOUT)

    assert said.code == 1
    assert "Diagnosis 1 is stored." in said.out
    assert "Refused: etcd.free_space" in said.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON"),
        (b'{"a": 1, "a": 2}', "comes twice"),
        (b"[]", "not a diagnosis"),
        (b"{}", "/severity: is missing"),
        (b" " * 300_000, "too long"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_every_reason(home: Home, content: bytes, said: str) -> None:
    (home.path / "bad.json").write_bytes(content)

    refused = home.run("propose", "--file", "bad.json", *ABOUT)

    assert (refused.code, refused.out) == (1, "")
    assert said in refused.err


def test_a_file_that_is_not_there_is_refused(home: Home) -> None:
    assert "missing.json cannot be read" in home.run("propose", "--file", "missing.json").err


def test_an_unknown_subject_is_refused_and_the_known_ones_named(home: Home) -> None:
    said = home.run("propose", "--file", a_file(home), "--subject", "x", "--target", "y")

    assert said.code == 1
    assert "Configured: processes" in said.err
