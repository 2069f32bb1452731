"""What went wrong in PostgreSQL, as a sentence for the person who has to mend it."""

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
    "42501": f"does not give this user the rights it needs; {NOTHING}. Grant them; the tables must be this user's own",
}
_BY_CLASS: Final = {
    "08": f"was lost; {NOTHING}. Check that the server runs, then try again",
    "53": f"has run out of a resource; {NOTHING}. Look at the server's log, then try again",
    "57": f"is shutting down or starting; {NOTHING}. Check that the server runs, then try again",
    "23": f"refused a row that breaks one of its own rules; {NOTHING}. This is a bug",
    "58": f"could not be read or written, its system reports an error; {NOTHING}. Look at the server's log",
    "XX": f"is damaged; {NOTHING}. Look at the server's log, and restore a backup if it says so",
}
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
    if error.sqlstate is None:
        text = _UNREACHABLE
    else:
        text = _SENTENCES.get(error.sqlstate) or _BY_CLASS.get(error.sqlstate[:2], _SHAPE)
    return StorageError(f"The database {name} {text} ({_reason(error)}).")


def _reason(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error).partition("\n")[0]
    return said.strip().rstrip(".") or type(error).__name__
