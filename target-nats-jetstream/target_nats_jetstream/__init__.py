"""Singer target for NATS JetStream: each record once, in order, with progress in SQL."""
