"""The public log of a contest: its counted votes as an append-only tree whose formats others' tools read.

Sources: RFC 9162 section 2.1 and the C2SP specifications tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature and
tlog-proof.
"""
