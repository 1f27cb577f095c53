"""The commit engine: commands in, one transaction per batch, outcomes out. Start reading at `engine.py`."""

from danbao_core.engine.book import Book, Draft, NotLoaded, RowNeeded
from danbao_core.engine.command import Command, Decision, Guard, Origin, refused_after
from danbao_core.engine.engine import Engine
from danbao_core.engine.failures import Restart
from danbao_core.engine.metrics import EngineMetrics
from danbao_core.engine.rows import Json, Key, Row, table
from danbao_core.engine.waiting import Answer

__all__ = [
    "Answer",
    "Book",
    "Command",
    "Decision",
    "Draft",
    "Engine",
    "EngineMetrics",
    "Guard",
    "Json",
    "Key",
    "NotLoaded",
    "Origin",
    "Restart",
    "Row",
    "RowNeeded",
    "refused_after",
    "table",
]
