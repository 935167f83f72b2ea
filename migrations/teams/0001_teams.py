"""Teams, members and their terms, training, the outbox."""

from migrations.parts.outbox import OUTBOX
from migrations.scripts import run_script

revision = "teams_0001"
down_revision = None

TABLES = """
CREATE TABLE teams (
    id uuid PRIMARY KEY,
    unit text NOT NULL,
    name text NOT NULL,
    hamlets text NOT NULL,
    from_on date NOT NULL,
    decision_number text NOT NULL,
    decision_on date NOT NULL,
    decision_signer text NOT NULL,
    until_on date CHECK (until_on >= from_on),
    dissolution_number text,
    dissolution_on date,
    dissolution_signer text,
    dissolution_reason text,
    recorded_by text NOT NULL,
    version int NOT NULL
);
CREATE INDEX teams_by_unit ON teams (unit, id);

CREATE TABLE members (
    id uuid PRIMARY KEY,
    full_name text NOT NULL,
    name_key text NOT NULL,
    born_on date NOT NULL,
    gender text,
    origin text NOT NULL,
    over_70_decision boolean NOT NULL,
    namesake boolean NOT NULL,
    term_id uuid NOT NULL,
    released_on date,
    recorded_by text NOT NULL,
    version int NOT NULL
);
-- A person is in the force once; a known namesake of the same birth date is another person.
CREATE UNIQUE INDEX members_in_force ON members (name_key, born_on) WHERE released_on IS NULL AND NOT namesake;
CREATE INDEX members_by_person ON members (name_key, born_on);

CREATE TABLE member_terms (
    id uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES members,
    team_id uuid NOT NULL REFERENCES teams,
    unit text NOT NULL,
    role text NOT NULL,
    from_on date NOT NULL,
    decision_number text NOT NULL,
    decision_on date NOT NULL,
    decision_signer text NOT NULL,
    until_on date CHECK (until_on >= from_on),
    ended_for text,
    end_decision_number text,
    end_decision_on date,
    end_decision_signer text,
    end_reason text,
    recorded_by text NOT NULL,
    version int NOT NULL,
    -- A member is in one team in one role, and a team has one leader. Looked at when all of a change is written,
    -- since the term that ends and the one that begins are written one after the other.
    CONSTRAINT member_terms_present EXCLUDE (member_id WITH =) WHERE (until_on IS NULL)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT member_terms_leader EXCLUDE (team_id WITH =) WHERE (until_on IS NULL AND role = 'leader')
        DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX member_terms_by_member ON member_terms (member_id, from_on);
CREATE INDEX member_terms_by_team ON member_terms (team_id, member_id);

-- A term ends with its team at the latest. Looked at when all is written, which is under the outbox's lock: so of a
-- dissolution and a new member at the same instant, the second finds the first.
CREATE FUNCTION no_term_outlasts_its_team() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM teams team JOIN member_terms term ON term.team_id = team.id
        WHERE team.id = (to_jsonb(NEW) ->> TG_ARGV[0])::uuid
          AND coalesce(term.until_on, 'infinity') > coalesce(team.until_on, 'infinity')
    ) THEN
        RAISE check_violation USING MESSAGE = 'a term outlasts its team';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER no_term_outlasts_its_team AFTER INSERT ON member_terms
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no_term_outlasts_its_team('team_id');
CREATE CONSTRAINT TRIGGER no_term_outlasts_its_team AFTER UPDATE ON teams
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.until_on IS NOT NULL)
    EXECUTE FUNCTION no_term_outlasts_its_team('id');

CREATE TABLE training_classes (
    id uuid PRIMARY KEY,
    unit text NOT NULL,
    title text NOT NULL,
    started_on date,
    held_on date NOT NULL,
    organiser text,
    recorded_by text NOT NULL,
    version int NOT NULL
);
CREATE INDEX training_classes_by_unit ON training_classes (unit, id);

CREATE TABLE certificates (
    id uuid PRIMARY KEY,
    training_class_id uuid NOT NULL REFERENCES training_classes,
    member_id uuid NOT NULL REFERENCES members,
    team_id uuid NOT NULL REFERENCES teams,
    number text NOT NULL,
    issued_on date NOT NULL,
    unit text NOT NULL,
    role text NOT NULL,
    revoked_on date,
    revocation_reason text,
    recorded_by text NOT NULL,
    version int NOT NULL
);
-- One certificate of a class for a member, and one of a number; a revoked one makes room.
CREATE UNIQUE INDEX certificates_of_member ON certificates (member_id, training_class_id) WHERE revoked_on IS NULL;
CREATE UNIQUE INDEX certificates_by_number ON certificates (training_class_id, number) WHERE revoked_on IS NULL;
CREATE INDEX certificates_by_team ON certificates (team_id, id);
"""


def upgrade() -> None:
    """Make the first tables."""
    for script in (OUTBOX, TABLES):
        run_script(script)
