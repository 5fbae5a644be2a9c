"""Singer tap for an Oracle event table: every committed row, once, in order."""
