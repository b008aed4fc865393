"""recalld: the context database for AI agents that always answers.

``Engine`` opens a data folder in this process, ``Recalld`` does the same without async, ``Client`` talks to a server.
"""

import importlib
from typing import TYPE_CHECKING, Any

from recalld.domain.version import VERSION

if TYPE_CHECKING:  # loaded at first use: a command of the client must not load the engine
    from recalld.app.engine import Engine, Workspace
    from recalld.domain.caller import Caller
    from recalld.domain.errors import (
        Busy,
        Closed,
        Conflict,
        Corrupt,
        Denied,
        Invalid,
        NotFound,
        RecalldError,
        Upstream,
    )
    from recalld.rules.retention import Retention
    from recalld.surfaces.blocking import Recalld
    from recalld.surfaces.client import Client

__version__ = VERSION
__all__ = [
    "Busy",
    "Caller",
    "Client",
    "Closed",
    "Conflict",
    "Corrupt",
    "Denied",
    "Engine",
    "Invalid",
    "NotFound",
    "Recalld",
    "RecalldError",
    "Retention",
    "Upstream",
    "Workspace",
    "__version__",
]
_MODULES = {
    "Caller": "recalld.domain.caller",
    "Client": "recalld.surfaces.client",
    "Engine": "recalld.app.engine",
    "Recalld": "recalld.surfaces.blocking",
    "Retention": "recalld.rules.retention",
    "Workspace": "recalld.app.engine",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES.get(name, "recalld.domain.errors")), name)
