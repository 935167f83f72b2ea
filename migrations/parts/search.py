"""What searching without diacritics stands on (shared/listing), for the database of any service."""

SEARCH = """
CREATE EXTENSION IF NOT EXISTS unaccent;
-- Words without diacritics, so that hoà = hòa = hoa.
CREATE TEXT SEARCH CONFIGURATION vietnamese (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION vietnamese
    ALTER MAPPING FOR asciiword, word, numword, asciihword, hword, numhword, hword_part, hword_asciipart, hword_numpart
    WITH unaccent, simple;
-- The same for a whole text, as shared/units.py folds a name. unaccent() is only stable since its rules could change;
-- a restored database must therefore have been given the same rules.
CREATE FUNCTION folded(content text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN lower(unaccent('unaccent', content));
"""

# Signs that are spaces in a text that is searched; the last is the space that does not break.
_SIGNS = ".,:;/-_@&<>“”‘’–—…•\u00a0"


def words_of(text: str) -> str:
    """The SQL of the words of a text, as `shared.listing.Words` finds them."""
    for sign in _SIGNS:
        text = f"replace({text}, '{sign}', ' ')"
    return f"strip(to_tsvector('vietnamese', {text}))"
