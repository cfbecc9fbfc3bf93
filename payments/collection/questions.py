"""How many questions to an operator wait."""

from typing import Final

from sqlalchemy import text

# The backlog of an account.
QUESTIONS: Final = text("""
select provider as account, count(*) as many from payments
where status in ('sent', 'pending', 'expired', 'failed') and next_check_at <= now() group by 1
""")
