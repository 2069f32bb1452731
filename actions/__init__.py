"""What the operator may do, and the rules under which it may do it."""
