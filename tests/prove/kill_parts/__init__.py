"""What the kill harness is made of: processes that claim and run without a pause, and what kills do to them."""
