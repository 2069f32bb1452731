"""The systems acted upon, one folder each."""
