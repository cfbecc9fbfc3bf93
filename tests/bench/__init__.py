"""Benchmarks: each figure is a ratio to a floor that is measured in the same run.

    make bench                     everything, under three minutes
    make bench ARGS="--only P1"    one goal
    make bench ARGS="--gate"       exit 1 when a goal is missed

Server processes run on one core; the load, PostgreSQL and Valkey share the other one.
"""
