"""A team whose commune was split is placed anew by a decision."""

from migrations.scripts import run_script

revision = "teams_0008"
down_revision = "teams_0007"

SCRIPT = """
ALTER TABLE teams
    ADD left_unit text,
    ADD placed_on date,
    ADD placement_number text,
    ADD placement_on date,
    ADD placement_signer text,
    ADD CONSTRAINT teams_placed CHECK ((left_unit IS NULL) = (placed_on IS NULL)
        AND (placed_on IS NULL) = (placement_number IS NULL) AND placed_on > from_on AND placed_on <= coalesce(until_on, placed_on));

-- A term lies on one side of that day, and behind it where the team is.
CREATE OR REPLACE FUNCTION terms_lie_within_their_team() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM teams team JOIN member_terms term ON term.team_id = team.id AND term.withdrawn_at IS NULL
        WHERE team.id = (to_jsonb(NEW) ->> TG_ARGV[0])::uuid
          AND (team.withdrawn_at IS NOT NULL OR term.from_on < team.from_on
            OR coalesce(term.until_on, 'infinity') > coalesce(team.until_on, 'infinity')
            OR term.from_on < team.placed_on AND coalesce(term.until_on, 'infinity') >= team.placed_on
            OR term.from_on >= team.placed_on AND term.unit <> team.unit)
    ) THEN
        RAISE check_violation USING MESSAGE = 'a term lies outside its team';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER terms_lie_within_their_team ON teams;
CREATE CONSTRAINT TRIGGER terms_lie_within_their_team AFTER UPDATE OF from_on, until_on, placed_on, unit, withdrawn_at ON teams
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION terms_lie_within_their_team('id');
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(SCRIPT)
