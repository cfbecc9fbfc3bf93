"""A witness: keeps the checkpoints of logs that others run, and cosigns only what goes on from what it has.

It needs a folder of its own and nothing else: no database server, none of the gateway's settings. `ask` is the other
side: how a gateway's worker asks witnesses.
"""
