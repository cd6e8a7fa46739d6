"""How long anything may take before it counts as broken."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Generous, because it is only ever used up by a failure; sanitizers and busy machines are slow.
PATIENCE = float(os.environ.get("CHATIXIA_E2E_PATIENCE", "20"))

_LOOK_EVERY = 0.02


def eventually(what: str, look: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """The first value of `look` that is not None and not False; for what announces itself not."""
    deadline = time.monotonic() + patience
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"after {patience:g} s still not so: {what}")
        time.sleep(_LOOK_EVERY)
