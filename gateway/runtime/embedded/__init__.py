"""PostgreSQL and Valkey from wheels: private servers under a data directory, for the demo and the tests.

Nothing listens on a TCP port. Both servers answer on a Unix socket in a directory that only their
own user may enter, which is why trust authentication is safe here and nowhere else.
"""
