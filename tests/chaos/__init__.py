"""Chaos: votes are cast while processes are killed at random; then the money must be the votes.

make chaos                          500 votes
make chaos ARGS="--votes 2000 --seed 7"
"""
