"""What the harness of kills on a real cluster is made of: real actions without a pause, and evidence of each."""
