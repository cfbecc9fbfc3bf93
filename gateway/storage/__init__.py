"""PostgreSQL, the truth, and Redis, which may vanish: tables, set-based statements, group commit."""
