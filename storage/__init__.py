"""The ports of `actions`, kept in a database."""
