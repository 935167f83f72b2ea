"""Papers: a template and texts become one PDF, the same each time, and nothing else gets into it."""

from datetime import datetime
from pathlib import Path

import pypdfium2
import pytest
import typst

from shared.papers import dated, pdf_of

MADE_AT = datetime.fromisoformat("2026-02-05T23:30:00+07:00")


def a_template(folder: Path, content: str) -> Path:
    """A template beside others: what stands under a path is read once."""
    (folder / "templates").mkdir(exist_ok=True)
    template = folder / "templates" / f"{len(list((folder / 'templates').iterdir()))}.typ"
    template.write_text(f'#set document(title: "a")\n#set text(lang: "vi", font: "Libertinus Serif")\n{content}')
    return template


def text_of(content: bytes) -> str:
    """What a person reads on its first page."""
    with pypdfium2.PdfDocument(content) as document:
        text: str = document[0].get_textpage().get_text_bounded()
    return text


def test_a_text_is_no_markup_and_the_paper_is_the_same_each_time(tmp_path: Path) -> None:
    template = a_template(tmp_path, "#sys.inputs.name")
    texts = {"name": '#panic("x") *Nguyễn* $ \\'}
    paper = pdf_of(template, texts, MADE_AT)
    assert text_of(paper).strip() == texts["name"]
    assert pdf_of(template, texts, MADE_AT) == paper
    assert pdf_of(template, texts, MADE_AT.replace(year=2025)) != paper


def test_a_template_reads_nothing_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "seal.txt").write_text("seal")
    assert "seal" in text_of(pdf_of(a_template(tmp_path, '#read("seal.txt")'), {}, MADE_AT))
    for path in ("../secret.txt", "/../secret.txt", str(tmp_path / "secret.txt")):
        with pytest.raises(typst.TypstError):
            pdf_of(a_template(tmp_path, f'#read("{path}")'), {}, MADE_AT)


@pytest.mark.parametrize(
    ("day", "written"),
    [
        ("2026-02-05", "ngày 05 tháng 02 năm 2026"),
        ("2026-03-15", "ngày 15 tháng 3 năm 2026"),
        ("2026-12-01", "ngày 01 tháng 12 năm 2026"),
    ],
)
def test_a_day_is_written_as_the_decree_says(day: str, written: str) -> None:
    assert dated(datetime.fromisoformat(day)) == written
