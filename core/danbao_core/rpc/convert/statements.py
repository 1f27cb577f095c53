"""Statements."""

from danbao.v1 import statements_pb2
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.statements.exporting import Format
from danbao_core.statements.period import Period


def period_of(request: statements_pb2.ExportStatementRequest) -> Period:
    """The days that a request names. Raises FieldInvalid."""
    if bool(request.month) == bool(request.first_day or request.last_day):
        raise FieldInvalid([Violation("month", "give either a month, or the first and the last day")])
    try:
        if request.month:
            return Period.of_month(request.month)
        return Period.of_days(request.first_day, request.last_day)
    except (ValueError, OverflowError) as error:
        raise FieldInvalid([Violation("month" if request.month else "last_day", str(error))]) from None


def format_of(value: statements_pb2.FileFormat.ValueType) -> Format:
    """The format that a request asks for."""
    return Format(value)
