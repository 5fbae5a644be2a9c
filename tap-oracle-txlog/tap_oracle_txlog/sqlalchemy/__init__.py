"""Any database that SQLAlchemy can reach as a source: for demos, tests and tables beside Oracle."""
