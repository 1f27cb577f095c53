"""Statements as files: what a spreadsheet and a reader of PDF find in them."""

import csv
import io
import tomllib
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from typing import Any

import pypdf
import pytest

from danbao_core.statements.csv_file import CsvFile
from danbao_core.statements.parts import Head, Line, Writer
from danbao_core.statements.pdf_file import ROWS, ROWS_OF_FIRST, PdfFile, page_count
from danbao_core.statements.period import Period
from danbao_core.statements.words import LANGUAGES, figure, words_of

NOON = datetime(2026, 10, 1, 4, tzinfo=UTC)
"""Noon in Shanghai."""


def a_head(line_count: int = 1, language: str = "en", **facts: Any) -> Head:
    words = words_of(language)
    given: dict[str, Any] = {
        "title": words.statement,
        "account": "角落书店 (accounts/7)",
        "currency": "CNY",
        "period": words.days.format(first="2026-10-01", last="2026-10-31"),
        "made_at": NOON,
        "opening_minor": 100_000,
        "line_count": line_count,
        "words": words,
    }
    return Head(**(given | facts))


def a_line(version: int = 1, **facts: Any) -> Line:
    given: dict[str, Any] = {
        "version": version,
        "amount_minor": -1_050,
        "balance_after_minor": 98_950,
        "kind": "payment.pay",
        "reference": "payments/7",
        "created_at": NOON,
        "order_no": "A-1",
        "subject": "《红楼梦》",
        "counterparty": "张**",
        "fee_minor": 0,
    }
    return Line(**(given | facts))


def written(writer: Writer, *lines: Line) -> bytes:
    return writer.begin() + writer.add(lines) + writer.end([("Closing balance", 98_950)])


def rows_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


# --- CSV --------------------------------------------------------------------------------------------------------------------


def test_a_csv_is_a_table_that_excel_reads_as_utf_8() -> None:
    data = written(CsvFile(a_head(language="zh-CN")), a_line(fee_minor=-15))
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == data.count(b"\n") == 4
    names, opening, line, closing = rows_of(data)
    assert names == [words_of("zh-CN").time, "类型", "订单号", "说明", "对方", "手续费", "金额", "余额", "币种", "业务编号"]
    assert opening == ["", "期初余额", "", "", "", "", "", "1000.00", "CNY", ""]
    assert line == [
        "2026-10-01 12:00:00",
        "付款",
        "A-1",
        "《红楼梦》",
        "张**",
        "-0.15",
        "-10.50",
        "989.50",
        "CNY",
        "payments/7",
    ]
    assert closing == ["", "Closing balance", "", "", "", "", "", "989.50", "CNY", ""]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠SUM"])  # noqa: RUF001
def test_no_text_of_others_becomes_a_formula(text: str) -> None:
    data = written(CsvFile(a_head()), a_line(order_no=text, subject=text, counterparty=text))
    assert rows_of(data)[2][2:5] == [f"'{text}"] * 3


@pytest.mark.parametrize("text", ['a "quoted" one', "a, b", "a\r\nb", "a=b", "1-1"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert rows_of(written(CsvFile(a_head()), a_line(subject=text)))[2][3] == text


def test_what_is_written_is_forgotten() -> None:
    writer = CsvFile(a_head(2))
    writer.begin()
    assert (
        len(writer.add([a_line()]))
        == len(writer.add([a_line()]))
        == len(written(CsvFile(a_head()), a_line()))
        - len(CsvFile(a_head()).begin() + CsvFile(a_head()).end([("Closing balance", 98_950)]))
    )


# --- Figures and words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount_minor", "currency", "plain"),
    [
        (0, "CNY", "0.00"),
        (-5, "CNY", "-0.05"),
        (123_456_789, "CNY", "1234567.89"),
        (-1_234, "JPY", "-1234"),
        (-(2**63), "KWD", "-9223372036854775.808"),
    ],
)
def test_figures_are_exact(amount_minor: int, currency: str, plain: str) -> None:
    assert figure(amount_minor, currency) == plain


@pytest.mark.parametrize(
    ("language", "shown"), [("zh-CN", "-1,234.50"), ("en", "-1,234.50"), ("fr", "-1\u00a0234,50"), ("es", "-1.234,50")]
)
def test_figures_for_people_are_written_their_way(language: str, shown: str) -> None:
    assert words_of(language).figure(-123_450, "CNY") == shown
    assert words_of(language).figure(-5, "JPY") == "-5"


def test_every_language_has_the_same_words() -> None:
    def keys(language: str) -> set[str]:
        text = resources.files("danbao_core.statements").joinpath("words", f"{language}.toml").read_text(encoding="utf-8")
        parsed = tomllib.loads(text)
        return set(parsed) | set(parsed["kinds"])

    assert all(keys(language) == keys("en") for language in LANGUAGES)
    assert words_of("") is not None
    assert words_of("").statement == "账户对账单"


def test_what_comes_in_may_be_another_thing_than_what_goes_out() -> None:
    words = words_of("en")
    assert words.kind("payment.pay", -1) == "Payment"
    assert words.kind("payment.pay", 1) == "Payment received"
    assert words.kind("payment.confirm", 1) == "Payment received"
    assert words.kind("planet.explode", 1) == "planet.explode", "a kind without words is shown as it is"


# --- Periods ----------------------------------------------------------------------------------------------------------------


def test_days_are_those_of_shanghai() -> None:
    period = Period.of_month("2026-02")
    assert period == Period(date(2026, 2, 1), date(2026, 2, 28))
    assert period.begins_at == datetime(2026, 1, 31, 16, tzinfo=UTC)
    assert period.ends_at == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert period.ends_at == Period.of_month("2026-03").begins_at


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "9999-12"])
def test_what_is_no_month(month: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of several kinds, which a handler turns into one refusal
        Period.of_month(month)


def test_a_period_is_a_year_at_most() -> None:
    assert Period.of_days("2027-03-01", "2028-02-29").last_day == date(2028, 2, 29)
    for first, last in (("2027-03-01", "2028-03-01"), ("2026-10-02", "2026-10-01"), ("2026-02-29", "2026-03-01")):
        with pytest.raises(ValueError):  # noqa: PT011
            Period.of_days(first, last)


# --- PDF --------------------------------------------------------------------------------------------------------------------


def pages_of(data: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pdf_says_everything_in_the_readers_language(language: str) -> None:
    words = words_of(language)
    data = written(PdfFile(a_head(language=language), 1), a_line(fee_minor=-15))
    (page,) = pages_of(data)
    for text in (
        words.statement,
        "角落书店",
        "(accounts/7)",
        words.opening,
        words.kind("payment.pay", -1),
        "2026-10-01 12:00:00",
        "A-1",
        "《红楼梦》",
        "张",
        words.figure(100_000, "CNY"),
        words.figure(-1_050, "CNY"),
        words.figure(-15, "CNY"),
        words.figure(98_950, "CNY"),
        words.page.format(number=1, of=1),
    ):
        assert "".join(text.split()) in "".join(page.split()), text


@pytest.mark.parametrize("line_count", [0, 1, ROWS_OF_FIRST - 2, ROWS_OF_FIRST - 1, ROWS_OF_FIRST + ROWS - 2, 500])
def test_every_page_knows_how_many_there_are(line_count: int) -> None:
    lines = [a_line(number, created_at=NOON + timedelta(minutes=number)) for number in range(line_count)]
    pages = pages_of(written(PdfFile(a_head(line_count), 1), *lines))
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert "Counterparty" in page
    assert sum(page.count("A-1") for page in pages) == line_count
    assert ("No movements" in pages[0]) == (line_count == 0)
    assert "Closing balance" in pages[-1]


def test_pages_are_turned_when_they_are_full() -> None:
    assert [page_count(rows) for rows in (1, ROWS_OF_FIRST, ROWS_OF_FIRST + 1, ROWS_OF_FIRST + ROWS)] == [1, 1, 2, 2]
    assert page_count(ROWS_OF_FIRST + ROWS + 1) == 3


def test_what_does_not_fit_is_shortened_and_a_figure_is_not() -> None:
    large = 2**63 - 1
    line = a_line(subject="a very long description " * 10, amount_minor=large, balance_after_minor=large)
    (page,) = pages_of(written(PdfFile(a_head(), 1), line))
    assert "…" in page
    assert page.count("92,233,720,368,547,758.07") == 2


def test_what_no_font_has_leaves_the_rest_readable() -> None:
    (page,) = pages_of(written(PdfFile(a_head(), 1), a_line(order_no="", subject="茶😀杯")))
    assert "茶" in page
    assert "杯" in page
