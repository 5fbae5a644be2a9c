"""``--doctor``: what is in order between the target and its servers, and what is not.

The modules ``ask_nats`` and ``ask_ledger`` ask the servers, the others judge the answers. Nothing
is created, changed or stored, and the questions are those of a run and need no other rights.
"""
