"""ETL_PRMREC: the table in which people read what the pipeline has done, and how far."""
