"""Oracle as a source: what is said to the database, and what its answers mean."""
