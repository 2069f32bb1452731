"""How a body is read, whatever is in it."""

import json
from contextlib import suppress
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from actions.errors import BadRequestError
from bot.dispatch import read_body

FORM = "application/x-www-form-urlencoded"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(form=st.dictionaries(TEXTS.filter(lambda name: name != "payload"), TEXTS))
@settings(max_examples=200)
def test_a_form_is_read_as_it_was_meant(form: dict[str, str]) -> None:
    assert read_body(urlencode(form).encode(), FORM) == form


@given(payload=st.dictionaries(TEXTS, TEXTS), other=TEXTS)
@settings(max_examples=200)
def test_the_payload_of_a_form_is_what_counts(payload: dict[str, str], other: str) -> None:
    body = urlencode({"other": other, "payload": json.dumps(payload, ensure_ascii=False)}).encode()

    assert read_body(body, FORM) == payload


@given(body=st.binary() | st.text("%=&+0aZ\r\npayload").map(str.encode))
@settings(max_examples=500)
def test_a_body_that_nobody_meant_is_read_or_refused(body: bytes) -> None:
    with suppress(BadRequestError):
        assert isinstance(read_body(body, FORM), dict)
