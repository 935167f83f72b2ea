"""Settings: what an operator may set, and where that is written down."""

from pathlib import Path

from shared.settings import table


def test_the_page_of_settings_is_what_the_code_says() -> None:
    written = (Path(__file__).parents[2] / "docs" / "operator" / "settings.md").read_text(encoding="utf-8")
    assert written == table(), "write it anew: python -m shared.settings > docs/operator/settings.md"
