"""The core: lifecycle, decisions, safety, execution."""
