"""What was entered wrongly is set right or withdrawn; what then no longer fits together is refused at the commit."""

from migrations.scripts import run_script

revision = "teams_0003"
down_revision = "teams_0002"

SCRIPT = """
ALTER TABLE teams ADD withdrawn_at timestamptz;
ALTER TABLE members ADD withdrawn_at timestamptz;
ALTER TABLE member_terms ADD withdrawn_at timestamptz;
ALTER TABLE training_classes ADD withdrawn_at timestamptz;

CREATE TABLE corrections (
    id uuid PRIMARY KEY,
    of text NOT NULL,
    record_id uuid NOT NULL,
    command text NOT NULL,
    reason text NOT NULL,
    changed jsonb NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL
);
CREATE INDEX corrections_by_record ON corrections (record_id, id);

-- What was withdrawn never was.
DROP INDEX members_in_force;
CREATE UNIQUE INDEX members_in_force ON members (name_key, born_on)
    WHERE released_on IS NULL AND NOT namesake AND withdrawn_at IS NULL;
ALTER TABLE member_terms
    DROP CONSTRAINT member_terms_present,
    ADD CONSTRAINT member_terms_present EXCLUDE (member_id WITH =) WHERE (until_on IS NULL AND withdrawn_at IS NULL)
        DEFERRABLE INITIALLY DEFERRED,
    DROP CONSTRAINT member_terms_leader,
    ADD CONSTRAINT member_terms_leader EXCLUDE (team_id WITH =)
        WHERE (until_on IS NULL AND role = 'leader' AND withdrawn_at IS NULL) DEFERRABLE INITIALLY DEFERRED;

-- A term lies within its team's days. Looked at when all is written, which is under the outbox's lock: so of a
-- dissolution and a new member at the same instant, the second finds the first.
DROP TRIGGER no_term_outlasts_its_team ON member_terms;
DROP TRIGGER no_term_outlasts_its_team ON teams;
DROP FUNCTION no_term_outlasts_its_team;
CREATE FUNCTION terms_lie_within_their_team() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM teams team JOIN member_terms term ON term.team_id = team.id AND term.withdrawn_at IS NULL
        WHERE team.id = (to_jsonb(NEW) ->> TG_ARGV[0])::uuid
          AND (team.withdrawn_at IS NOT NULL OR term.from_on < team.from_on
            OR coalesce(term.until_on, 'infinity') > coalesce(team.until_on, 'infinity'))
    ) THEN
        RAISE check_violation USING MESSAGE = 'a term lies outside its team';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER terms_lie_within_their_team AFTER INSERT OR UPDATE ON member_terms
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION terms_lie_within_their_team('team_id');
CREATE CONSTRAINT TRIGGER terms_lie_within_their_team AFTER UPDATE OF from_on, until_on, withdrawn_at ON teams
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION terms_lie_within_their_team('id');

-- A certificate is of a class that was held, for who held that role of that team on its day.
CREATE FUNCTION certificates_fit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_record uuid := (to_jsonb(NEW) ->> TG_ARGV[1])::uuid;
BEGIN
    IF EXISTS (
        SELECT FROM certificates certificate JOIN training_classes class ON class.id = certificate.training_class_id
        WHERE certificate.revoked_on IS NULL
          AND CASE TG_ARGV[0] WHEN 'member' THEN certificate.member_id = of_record
              WHEN 'class' THEN certificate.training_class_id = of_record ELSE certificate.id = of_record END
          AND (class.withdrawn_at IS NOT NULL OR class.held_on > certificate.issued_on OR NOT EXISTS (
            SELECT FROM member_terms term
            WHERE term.member_id = certificate.member_id AND term.team_id = certificate.team_id
              AND term.role = certificate.role AND term.withdrawn_at IS NULL AND term.from_on <= certificate.issued_on
              AND coalesce(term.until_on, 'infinity') >= certificate.issued_on))
    ) THEN
        RAISE check_violation USING MESSAGE = 'a certificate fits no class or no term';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER certificates_fit AFTER INSERT OR UPDATE ON certificates
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION certificates_fit('certificate', 'id');
CREATE CONSTRAINT TRIGGER certificates_fit AFTER UPDATE ON member_terms
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION certificates_fit('member', 'member_id');
CREATE CONSTRAINT TRIGGER certificates_fit AFTER UPDATE ON training_classes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION certificates_fit('class', 'id');
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(SCRIPT)
