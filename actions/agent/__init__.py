"""The agent: it watches, keeps tickets, and hands in what the rules or others have diagnosed."""
