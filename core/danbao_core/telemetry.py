"""Where spans go: `DANBAO_TRACES` as a provider of OpenTelemetry's. Imported only where traces are wanted."""

import threading
from pathlib import Path
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Tracer

FLUSH_SECONDS: Final = 3.0
"""How long a process that stops waits for its last spans to be taken."""

_EXPORT_SECONDS: Final = 2.0


class Telemetry:
    """Sends spans to `otlp=URL` or `file=PATH`. Raises OSError for a path that cannot be written."""

    def __init__(self, target: str, instance: str) -> None:
        self._file: Any = None
        resource = Resource.create({"service.name": "danbao", "service.instance.id": instance})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter(target), schedule_delay_millis=1000))
        self.tracer: Tracer = self._provider.get_tracer("danbao")
        """Makes spans."""

    def _exporter(self, target: str) -> SpanExporter:
        kind, _, where = target.partition("=")
        if kind == "otlp":
            return OTLPSpanExporter(endpoint=f"{where.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
        self._file = Path(where).open("a", encoding="utf-8")  # noqa: SIM115  # until `close`
        return ConsoleSpanExporter(out=self._file, formatter=lambda span: f"{span.to_json(indent=None)}\n")

    def close(self) -> None:
        """Sends what is left; gives up after FLUSH_SECONDS. Blocks so long."""
        # In a thread that may be left behind: nothing else bounds the time that an exporter takes.
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)
        if self._file is not None and not sending.is_alive():
            self._file.close()
