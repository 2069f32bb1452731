"""What the races are made of: what the processes share, what each does, and what their answers must add up to."""
