"""The agent: what it takes in, keeps and diagnoses."""
