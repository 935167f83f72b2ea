"""Files: received from strangers, made harmless, and kept sealed in a store.

Nothing is imported here, for each file is cleaned by a program of its own, which starts through this package.
"""
