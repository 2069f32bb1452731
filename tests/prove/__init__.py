"""The large counts: `make prove`. Each harness first shows that it finds bugs that were put there on purpose."""
