"""Proof that counters are right, and what mends them.

`verify.py` compares them with what the services recount of their own tables, `rebuild.py` counts anew from the log and
names what differs (`differences.py`), `dead_letters.py` lists the events that could not be counted and counts them
after all.
"""
