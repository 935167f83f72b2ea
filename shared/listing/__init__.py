"""Lists of records: one question, asked as a page, as a number, or as a file of all that the list holds.

A room describes its records once (`Listing`): which columns the question may be about, what is shown of a row, and the
columns of a file. An export never shows what the list would not.
"""

from shared.listing.columns import Column, name_of, value_of, word_of
from shared.listing.export import ANSWERS, ExportQuery
from shared.listing.listing import Listing
from shared.listing.question import Count, ListQuery, Question, Records, Search, Sought, Words, sort_words_in

__all__ = [
    "ANSWERS",
    "Column",
    "Count",
    "ExportQuery",
    "ListQuery",
    "Listing",
    "Question",
    "Records",
    "Search",
    "Sought",
    "Words",
    "name_of",
    "sort_words_in",
    "value_of",
    "word_of",
]
