"""Teams, members, classes and certificates are found by their words, without diacritics."""

from migrations.parts.search import SEARCH, words_of
from migrations.scripts import run_script

revision = "teams_0011"
down_revision = "teams_0010"

team = """name || ' ' || hamlets || ' ' || decision_number
    || ' ' || coalesce(placement_number, '') || ' ' || coalesce(dissolution_number, '')"""
training_class = "title || ' ' || coalesce(organiser, '')"

INDEXES = f"""
CREATE INDEX teams_by_words ON teams USING gin (({words_of(team)}));
CREATE INDEX members_by_words ON members USING gin (({words_of("full_name")}));
CREATE INDEX training_classes_by_words ON training_classes USING gin (({words_of(training_class)}));
CREATE INDEX certificates_by_words ON certificates USING gin (({words_of("number")}));
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    for script in (SEARCH, INDEXES):
        run_script(script)
