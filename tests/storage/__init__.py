"""The ports, over every store."""
