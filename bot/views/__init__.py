"""What people see in Slack: pure functions from records to blocks. No block of ours is ever mrkdwn."""
