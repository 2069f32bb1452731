"""What went wrong in PostgreSQL, as a sentence for the person who has to mend it."""

import re
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from actions.errors import StorageError
from storage.failures import NOTHING

_SENTENCES: Final = {
    "55P03": f"is locked by another connection; {NOTHING}. Try again; if it stays locked, end that connection",
    "40P01": f"let two changes wait for each other and gave this one up; {NOTHING}. Try again",
    "40001": f"was changed by somebody else at the same moment; {NOTHING}. Try again",
    "57014": f"was told to stop working on this; {NOTHING}. Try again",
    "53100": f"cannot grow, its disk is full; {NOTHING}. Free some space on it, then try again",
    "53300": f"takes no more connections; {NOTHING}. Raise max_connections, or end some, then try again",
    "25006": f"is read-only, perhaps a standby; {NOTHING}. Set `database` to the primary, then start operator again",
    "0A000": f"cannot do what was asked of it, perhaps as a standby; {NOTHING}. Set `database` to the primary",
    "42501": f"does not give this user the rights it needs; {NOTHING}. Grant what docs/configuration.md lists",
    "28P01": f"does not take this user's password; {NOTHING}. Put the right one into ~/.pgpass, then try again",
    "28000": f"does not let this user in from here; {NOTHING}. Give the role LOGIN, and a line in pg_hba.conf",
    "3D000": f"does not exist; {NOTHING}. Create it: CREATE DATABASE … OWNER … ENCODING 'UTF8'",
}
_BY_CLASS: Final = {
    "08": f"was lost; {NOTHING}. Check that the server runs, then try again",
    "53": f"has run out of a resource; {NOTHING}. Look at the server's log, then try again",
    "57": f"is shutting down or starting; {NOTHING}. Check that the server runs, then try again",
    "23": f"refused a row that breaks one of its own rules; {NOTHING}. This is a bug",
    "58": f"could not be read or written, its system reports an error; {NOTHING}. Look at the server's log",
    "XX": f"is damaged; {NOTHING}. Look at the server's log, and restore a backup if it says so",
}
# While a connection is made no code comes with an error, only the server's words.
_WORDS: Final = (
    (re.compile("password"), "28P01"),
    (re.compile("pg_hba|to log in|role .* does not exist|authentication failed"), "28000"),
    (re.compile("database .* does not exist"), "3D000"),
    (re.compile("permission denied"), "42501"),
    (re.compile("too many|connection slots"), "53300"),
    (re.compile("starting up|shutting down|recovery"), "57P03"),
)
_SHAPE: Final = f"does not have the shape that this version of operator expects; {NOTHING}"
_UNREACHABLE: Final = (
    f"cannot be reached; {NOTHING}. Check that the server runs and that `database` names it, then try again"
)


def translated(error: BaseException, name: str) -> BaseException:
    """See `storage.database.Database.translated`."""
    match error:
        case DBAPIError(orig=psycopg.Error() as original):
            return _translated(original, name)
        case psycopg.Error():
            return _translated(error, name)
        case StatementError(orig=Exception() as original):
            # A value that its column cannot hold: the caller's mistake, not the database's.
            return original
        case SQLAlchemyError():
            return StorageError(f"The database {name} refused a statement ({error}); {NOTHING}. This is a bug.")
        case _:
            return error


def _translated(error: psycopg.Error, name: str) -> Exception:
    if isinstance(error, psycopg.DataError) and error.sqlstate is None:
        return ValueError(str(error))  # found by the driver: a value that no column can hold, such as text with NUL
    return storage_error(error, name)


def storage_error(error: psycopg.Error, name: str) -> StorageError:
    """Return the sentence for an error of the server or of the connection to it."""
    state = error.sqlstate or _state_in_words(str(error))
    text = _UNREACHABLE if state is None else _SENTENCES.get(state) or _BY_CLASS.get(state[:2], _SHAPE)
    return StorageError(f"The database {name} {text} ({_reason(error)}).")


def _state_in_words(said: str) -> str | None:
    return next((state for words, state in _WORDS if words.search(said)), None)


def _reason(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error).partition("\n")[0]
    return said.strip().rstrip(".") or type(error).__name__
