"""People in front, proved."""
