"""The local workspace, tested with the real Slack clients."""
