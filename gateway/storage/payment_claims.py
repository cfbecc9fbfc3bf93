"""Who takes which payment next: statements that claim payments for collecting and for questions."""

from typing import Final

from sqlalchemy import text

from gateway.storage.open_payments import AROUND, WHOLE

# A handset shows one prompt at a time, so a number with an open prompt waits for its turn.
_DUE_TO_COLLECT: Final = """
  select p.reference, p.placed_at, p.payer_index, p.provider, p.next_check_at from payments p
  where p.status = 'created' and p.next_check_at <= now() and p.expires_at > now()
    and not (p.provider = any(cast(:prompting as text[])) and exists (
      select 1 from payments o where o.payer_index = p.payer_index
        and split_part(o.provider, '@', 1) = split_part(p.provider, '@', 1)
        and o.status in ('sent', 'pending') and o.expires_at > now()))
"""

# An account that has no room, because it is closed or its rate is used up, keeps nobody else waiting.
CLAIM_TO_COLLECT: Final = text(f"""
with rooms as (select * from json_to_recordset(cast(:rooms as json)) as r(account text, room integer)),
elsewhere as (
  {_DUE_TO_COLLECT} and not p.provider = any(cast(:accounts as text[]))
  order by p.next_check_at limit :limit for update of p skip locked),
within as (
  select d.* from rooms r cross join lateral (
    {_DUE_TO_COLLECT} and p.provider = r.account
    order by p.next_check_at limit r.room for update of p skip locked) d
  where r.room > 0),
due as (select * from elsewhere union all select * from within),
turns as (
  select reference, placed_at, provider,
    row_number() over (partition by payer_index, split_part(provider, '@', 1) order by next_check_at, reference) as turn
  from due),
taken as (
  update payments p set status = 'sent', sent_at = now(), send_tries = send_tries + 1,
    next_check_at = now() + make_interval(secs => :lease), expires_at = now() + make_interval(secs => :unsent)
  from turns t where p.reference = t.reference and p.placed_at = t.placed_at
    and (t.turn = 1 or not t.provider = any(cast(:prompting as text[])))
  returning p.*),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor)
  select reference, 'created', 'sent', 'calling', 'collector' from taken)
select {WHOLE} from taken p {AROUND}
""")

# Only what nobody was ever asked about, and what no code of the payer binds to its account.
MOVE_UNSENT: Final = text("""
with due as (
  select reference, placed_at from payments
  where status = 'created' and provider = :account and send_tries = 0 and secrets_cipher is null and expires_at > now()
  order by next_check_at limit :limit for update skip locked),
moved as (
  update payments p set provider = :sibling from due d
  where p.reference = d.reference and p.placed_at = d.placed_at returning p.reference),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor, detail)
  select reference, 'created', 'created', 'moved', 'collector', cast(:account as text) || ' to ' || :sibling from moved)
select count(*) from moved
""")

CLOSE_UNSENT: Final = text("""
select reference from payments where status = 'created' and expires_at <= now() limit :limit
""")

# Questions are few: what somebody says is decided goes first, then first questions, then what is still open;
# what was given up here comes last. Within a class whoever waits longest. A voter who asks does not queue here
# at all, see `claim_named`.
_URGENCY: Final = """
  case when p.hinted_at is not null then 0 when p.status not in ('sent','pending') then 3
    when p.checks = 0 then 1 else 2 end
"""
CLAIM_TO_VERIFY: Final = text(f"""
with due as (
  select p.reference, p.placed_at from payments p
  where p.provider = :provider and p.status in ('sent','pending','expired','failed') and p.next_check_at <= now()
  order by {_URGENCY}, p.next_check_at limit :limit for update skip locked),
taken as (
  update payments p set next_check_at = now() + make_interval(secs => :lease), checks = checks + 1,
    hinted_at = null, asked_at = now()
  from due d where p.reference = d.reference and p.placed_at = d.placed_at returning p.*)
select {WHOLE} from taken p {AROUND}
""")

CLAIM_NAMED: Final = text(f"""
with taken as (
  update payments p set next_check_at = now() + make_interval(secs => :lease), checks = checks + 1,
    hinted_at = null, asked_at = now()
  where p.reference = any(cast(:references as uuid[])) and p.status in ('sent','pending','expired','failed')
    and coalesce(p.asked_at, '-infinity') <= now() - make_interval(secs => :every)
  returning p.*)
select {WHOLE} from taken p {AROUND}
""")
