"""The Web API methods, one file per family; each takes a `Call` and answers a dictionary or raises `RefusedError`."""
