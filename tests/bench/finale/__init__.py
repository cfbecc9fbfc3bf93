"""P16 and P17, the finale: a contest's votes from the one-dial string to the receipt and the page, everything real.

    python -m tests.bench.finale                                     100 votes a second for 15 s, and the tables
    python -m tests.bench.finale --rates 100,200,300 --seconds 60 --viewers 2000

The gateway, a worker or more, PostgreSQL, Valkey and RQ serve one hot candidate. The simulated country is operator and
carrier; the load dials at the gateway's address for aggregators by the clock, from this process. The cost of a vote is
the processor time of the processes themselves, so other work on the machine matters little to it. Limits are those of
production, but the operator's allowance of questions, which would hide everything else.
"""
