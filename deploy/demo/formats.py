"""Numbers, times and days as people here write them."""

from datetime import date

from deploy.scenarios.published import Period


def number(value: int) -> str:
    return f"{value:,}".replace(",", ".")


def in_seconds(value: float) -> str:
    return f"{value:.{1 if value >= 1 else 2}f} s".replace(".", ",")


def day(of: date) -> str:
    return f"{of:%d/%m/%Y}"


def days(period: Period) -> str:
    return f"{day(period.first)} – {day(period.last)}"
