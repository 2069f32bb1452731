"""What a diagnoser says, and how it reads."""
