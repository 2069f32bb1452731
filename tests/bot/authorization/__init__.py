"""The parts of the authorization matrix: who calls, where things stand, the ways in, and the table written by hand."""
