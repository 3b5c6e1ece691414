"""One JSON object per log line, for machines that collect logs (X25)."""

import json
import logging
from datetime import UTC, datetime

# What every record carries anyway; all else was given with `extra=` and is worth a field.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Time in UTC, level, logger, message, trace id and extras; never a line break inside."""

    def format(self, record: logging.LogRecord) -> str:
        """Put one record on one line; JSON escapes every control character."""
        line: dict[str, float | str | None] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {
            name: value if isinstance(value, int | float | bool | None) else str(value)
            for name, value in vars(record).items()
            # Django hands over whole requests, whose text may hold personal data.
            if name not in STANDARD and name not in ("request", "server_time")
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
