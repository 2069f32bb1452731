"""The whole story in a browser: a real cluster, the real bot, the local workspace and its page."""
