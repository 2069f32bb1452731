"""Finding out what is wrong: diagnoses, the rules that make them, and the agent that runs them."""
