"""Processes that are killed while they work, what they work on, and who judges what is left."""
