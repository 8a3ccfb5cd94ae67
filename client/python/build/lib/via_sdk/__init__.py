"""VIA's client for Python: send events, ask for detections, follow them live."""

from .aio import AsyncClient
from .client import Client
from .errors import Rejected, Retry, Unknown, ViaError
from .feed import Feed
from .settings import VERSION as __version__
from .settings import Block, Settings
from .types import (Change, Contribution, Detection, Expected, Feedback, Gap, Hello, Label,
                    Labelled, Message, Refusal, Score, Severity, State, Written)

__all__ = ["AsyncClient", "Block", "Change", "Client", "Contribution", "Detection", "Expected",
           "Feed", "Feedback", "Gap", "Hello", "Label", "Labelled", "Message", "Refusal",
           "Rejected", "Retry", "Score", "Settings", "Severity", "State", "Unknown", "ViaError",
           "Written", "__version__"]
