"""What happens when somebody presses, types or opens something in Slack: parse, ask, acknowledge."""
