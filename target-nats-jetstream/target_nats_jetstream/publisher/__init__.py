"""Messages in, JetStream out: each once, in the order in which they were submitted.

``publisher.Publisher`` is the face for a synchronous caller; everything else of this package runs
in its thread. The package knows nothing of Singer. Nothing is imported here, because ``--about``
wants ``settings`` and must not wait for a client library.
"""
