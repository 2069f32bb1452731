"""The demo: every fault repaired by itself, and nothing left behind."""
