"""A local workspace that answers like Slack: Web API, Socket Mode, response URLs and a page to look at it."""
