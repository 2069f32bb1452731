"""What the harness `overload` consists of: the service, who floods it, and who goes on working with it meanwhile."""
