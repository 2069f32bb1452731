"""What Slack shows, held up to every status and to hostile text."""
