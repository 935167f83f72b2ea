"""Open311 GeoReport v2: reporting a tip, and asking after it, with clients that were made for that standard."""
