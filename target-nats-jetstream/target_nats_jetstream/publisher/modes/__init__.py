"""The ways to publish: which one fits a stream, and what each of them does."""
