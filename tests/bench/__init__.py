"""Benchmarks: each figure is a ratio to a floor that is measured in the same run.

    make bench                     everything, about eleven minutes
    make bench ARGS="--only P1"    one goal
    make bench ARGS="--gate"       exit 1 when a goal is missed

Server processes run on one core; the load, PostgreSQL and Valkey share the other one. In the finale (P16, P17) all
share all cores; its long form is `python -m tests.bench.finale`.

P3 depends on how many wait at once, because they share a commit: with 64, 128, 256 and 512 buyers an order went
through 0.8, 0.9, 1.2 and 1.3 times as often as a raw insert, on two cores with a disk that flushes in 0.1 ms. It is
measured with 256.
"""
