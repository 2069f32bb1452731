"""How many cases the generated tests try.

OPERATOR_PROVE multiplies them: unset or 1 is the normal suite (300 examples of a property, 5,000 requests at the gate),
`OPERATOR_PROVE=16.7 pytest --timeout=0 tests/bot/views` tries 5,010 examples.
"""

import os


def cases(normal: int) -> int:
    return max(round(normal * float(os.environ.get("OPERATOR_PROVE", "1"))), 1)
