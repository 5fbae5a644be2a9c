"""Real servers as processes, for whoever needs one on this machine: tests, demo, benchmarks."""
