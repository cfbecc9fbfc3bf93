"""A database with so many payments, and what came with them, that a table read whole is never the cheaper plan."""

from typing import Final

import asyncpg

from tests.engines import Database
from tests.kept import KEPT

MANY: Final = 250_000
# What comes with payments is there for some of them: an index is worth as much on these.
SOME: Final = MANY // 5
FEWER: Final = MANY // 10

# Ids and hashes as random as real ones: `md5` of the number of the row and of what it is.
_VOTE: Final = "md5('vote' || n)::uuid"
_PAYMENT: Final = "md5('payment' || n)::uuid"
_PHONE: Final = "decode(md5('phone' || n % 300000), 'hex')"
_CIPHER: Final = "decode(repeat('01', 42), 'hex')"
_CARD: Final = "n % 20 = 0"
# Half of it last month, half in the last days: two partitions.
_AT: Final = """case when n % 2 = 0 then now() - n * interval '1 second'
  else date_trunc('month', now()) - interval '1 hour' - n * interval '1 second' end"""
_STATUS: Final = """case when n % 25 = 1 then 'failed' when n % 25 = 2 then 'expired' when n % 500 = 3 then 'refunded'
  when n % 10000 = 4 then 'held' else 'settled' end"""
_ACCOUNT: Final = f"case when {_CARD} then 'stripe' when n % 3 = 0 then 'orange_money' else 'mtn_momo' end"

FILL: Final = (
    f"""
    insert into votes (id, placed_at, contest_id, candidate_id, channel, language, quantity, price_minor, amount_minor,
      currency, voter_index, voter_cipher, receipt)
    select {_VOTE}, {_AT}, c.id, k.ids[1 + n % cardinality(k.ids)], 'ussd', 'fr', 5, 100, 500, 'XOF', {_PHONE},
      {_CIPHER}, 'R' || n
    from (select id from contests where slug = 'star') c,
      (select array_agg(k.id) as ids from candidates k join contests c on c.id = k.contest_id where c.slug = 'star') k,
      generate_series(1, {MANY}) n
    """,
    f"""
    insert into payments (reference, placed_at, vote_id, contest_id, provider, method, country, amount_minor, currency,
      status, payer_index, payer_cipher, provider_reference, accepted, send_tries, checks, next_check_at, expires_at,
      sent_at, confirmed_at, settled_at, orderer, address, fee_minor)
    select {_PAYMENT}, placed_at, {_VOTE}, c.id, {_ACCOUNT}, case when {_CARD} then 'CARD' else 'MTN' end, 'CI', 500,
      'XOF', status, case when not {_CARD} then {_PHONE} end, case when not {_CARD} then {_CIPHER} end, 'op-' || n,
      true, 1, 2, case when n % 500 = 1 then placed_at + interval '24 hours' + interval '60 days' end,
      placed_at + interval '15 minutes', placed_at, case when paid then placed_at + interval '40 seconds' end,
      case when status = 'settled' then placed_at + interval '41 seconds' end,
      case when n % 4 = 0 then decode(md5('orderer' || n % 50000), 'hex') end,
      case when n % 8 = 0 then decode(md5('address' || n % 5000), 'hex') end, 75
    from (select id from contests where slug = 'star') c, lateral (
      select n, {_AT} as placed_at, {_STATUS} as status, n % 25 not in (1, 2) as paid
      from generate_series(1, {MANY}) n) s
    """,
    f"""
    insert into order_keys (channel, key, request_hash, vote_id, payment_reference, placed_at, receipt, order_code)
    select 'ussd', 'key' || n, '\\x01', {_VOTE}, {_PAYMENT}, {_AT}, 'R' || n, 'SP' || n
    from generate_series(1, {SOME}) n
    """,
    f"""
    insert into payment_events (reference, from_status, to_status, seen, actor, at)
    select {_PAYMENT}, 'confirmed', {_STATUS}, 'counts', 'settler', {_AT} from generate_series(1, {SOME}) n
    """,
    *(
        f"""
    insert into {table} (contest_id, facet, at, key, votes)
    select case when n % 20 = 0 then c.id else md5('contest' || n % 20)::uuid end, f, now() - n * interval '1 {unit}',
      '07', n
    from (select id from contests where slug = 'star') c, unnest(array['all', 'candidate']) f,
      generate_series(1, {FEWER // 2}) n
    """
        for table, unit in (("rollup_minutes", "minute"), ("rollup_hours", "hour"))
    ),
    f"""
    insert into evidence (reference, word, source, amount_minor, currency, provider_reference, raw, seen_at)
    select {_PAYMENT}, 'succeeded', 'status', 500, 'XOF', 'op-' || n, '{{}}', {_AT}
    from generate_series(1, {SOME}) n where n % 25 not in (1, 2)
    """,
    f"""
    insert into callbacks (received_at, provider, payment_reference, method, headers, body, body_hash, remote,
      handled_at, outcome, record_id)
    select {_AT}, {_ACCOUNT}, case when n % 3 > 0 then {_PAYMENT} end, 'POST', '{{}}', '\\x01',
      decode(md5('body' || n), 'hex'), '10.0.0.1', {_AT}, 'hint', gen_random_uuid()
    from generate_series(1, {SOME}) n
    """,
    f"""
    insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference, receipt,
      ledger_tx, counted_at)
    select c.id, n, 'vote', k.ids[1 + n % cardinality(k.ids)], 5, 500, {_PAYMENT}, 'R' || n,
      md5('tx' || n / 200)::uuid, {_AT}
    from (select id from contests where slug = 'star') c,
      (select array_agg(k.id) as ids from candidates k join contests c on c.id = k.contest_id where c.slug = 'star') k,
      generate_series(1, {SOME}) n where n % 25 not in (1, 2)
    """,
    f"""
    insert into postings (tx, contest_id, provider, account, currency, amount_minor, memo, at)
    select md5('tx' || n / 4)::uuid, c.id, {_ACCOUNT}, (array['operator_clearing', 'sales', 'organiser_payable',
      'platform_fee'])[1 + n % 4], 'XOF', case when n % 2 = 0 then 500 else -500 end, 'votes counted', {_AT}
    from (select id from contests where slug = 'star') c, generate_series(1, {FEWER}) n
    """,
    f"""
    insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, status, attempts,
      next_try_at, carrier, carrier_message_id, parts, delivery_status, delivery_at, created_at, sent_at)
    select gen_random_uuid(), 'receipt', {_PAYMENT}::text, {_PAYMENT}, {_PHONE}, 'fr', '{{}}',
      case when n % 50000 = 7 then 'unknown' else 'sent' end, 1, case when n % 100000 = 7 then now() end,
      'africastalking', 'm' || n, 1, case when n % 10 > 0 then 'Success' end, {_AT}, {_AT}, {_AT}
    from generate_series(1, {SOME}) n
    """,
    f"""
    insert into delivery_reports (carrier, carrier_message_id, status, phone_index, received_at)
    select 'africastalking', 'm' || n, 'Success', {_PHONE}, {_AT} from generate_series(1, {SOME}) n where n % 10 > 0
    """,
    f"""
    insert into messages_in (carrier, carrier_id, received_at, sender_index, sender_cipher, recipient, text, text_hash,
      handled_at, outcome)
    select 'africastalking', 'in' || n, {_AT}, {_PHONE}, {_CIPHER}, '98765', 'VOTE 07 5',
      decode(md5('text' || n % 1000), 'hex'), {_AT}, 'ordered' from generate_series(1, {FEWER}) n
    """,
    f"""
    insert into refunds (reference, payment_reference, contest_id, provider, amount_minor, currency, reason, status,
      created_at, provider_reference, next_try_at, sent_at, done_at)
    select md5('refund' || n)::uuid, md5('payment' || n * 10)::uuid, c.id, 'mtn_momo', 500, 'XOF', 'late', 'done',
      now() - n * interval '1 minute', 'opr-' || n, null, now(), now()
    from (select id from contests where slug = 'star') c, generate_series(1, {FEWER}) n
    """,
    f"""
    insert into refund_events (reference, from_status, to_status, seen, actor)
    select md5('refund' || n)::uuid, 'sent', 'done', 'succeeded', 'refunder' from generate_series(1, {FEWER}) n
    """,
    """
    insert into statement_files (id, provider, name, sha256, lines, first_at, last_at, imported_by)
    select md5('file' || n)::uuid, 'mtn_momo', 'f' || n, int4send(n), 1000, now() - n * interval '1 day',
      now() - (n - 1) * interval '1 day', 'awa' from generate_series(1, 100) n
    """,
    f"""
    insert into statement_lines (file_id, provider, line_no, line_key, kind, our_reference, provider_reference,
      amount_minor, currency, at, raw, matched_reference, matched_by, matched_at)
    select md5('file' || 1 + n % 100)::uuid, 'mtn_momo', n, 'l' || n, 'collection', 'SP' || n, 'op-' || n, 500, 'XOF',
      {_AT}, '{{}}', {_PAYMENT}, 'reference', now() from generate_series(1, {FEWER}) n
    """,
    """
    insert into differences (provider, kind, line_id, payment_reference, amount_minor, currency, detail, status,
      resolved_at)
    select 'mtn_momo', 'amount', id, matched_reference, 100, 'XOF', '', 'resolved', now()
    from statement_lines where line_no % 2 = 0
    """,
    f"""
    insert into unfinished_dialogues (phone_index, contest_id, phone_cipher, candidate_code, language, reached_at,
      handled_at, outcome)
    select decode(md5('phone' || n), 'hex'), c.id, {_CIPHER}, '07', 'fr', {_AT}, {_AT}, 'bought'
    from (select id from contests where slug = 'star') c, generate_series(1, {FEWER}) n
    """,
    f"""
    insert into telegram_updates (update_id, chat_id, received_at, body_cipher, handled_at, outcome)
    select n, n % 5000, {_AT}, {_CIPHER}, {_AT}, 'done' from generate_series(1, {FEWER}) n
    """,
    f"""
    insert into telegram_chats (chat_id, user_id, contest_id, phone_index, phone_cipher)
    select n, n, c.id, {_PHONE}, {_CIPHER}
    from (select id from contests where slug = 'star') c, generate_series(1, {FEWER}) n
    """,
    f"""
    insert into support_tickets (contest_id, phone_index, phone_cipher, payment_reference, language, channel, kind,
      status, closed_at)
    select c.id, {_PHONE}, {_CIPHER}, {_PAYMENT}, 'fr', 'ussd', 'debited', 'closed', now()
    from (select id from contests where slug = 'star') c, generate_series(1, {FEWER}) n
    """,
    f"""
    insert into audit_log (actor, act, subject) select 'awa', 'number.shown', {_VOTE}::text
    from generate_series(1, {FEWER}) n
    """,
    f"""
    insert into staff_requests (id, act, subject, reason, requested_by, status, decided_by, decided_at, finished_at)
    select md5('request' || n)::uuid, 'refund_payment', {_PAYMENT}::text, 'asked', 'awa', 'done', 'yao', now(), now()
    from generate_series(1, {FEWER}) n
    """,
)


# The tables that hold rows of `FILL`, partitions instead of what is partitioned.
_TABLES: Final = """
select c.oid::regclass::text from pg_class c left join pg_inherits i on i.inhrelid = c.oid
where c.relkind = 'r' and coalesce(i.inhparent, c.oid)::regclass::text = any($1)
"""
# What a logged table refers to must be logged, too.
_LOGGED: Final = ("statement_files", "staff_requests")


async def fill(database: Database) -> None:
    """Put the rows in, without looking at what refers to what, and have them analysed.

    From here on plans are made as in production. Indexes are built afterwards, each at once, and the server writes
    nothing to its log: a third of the time."""
    connection = await asyncpg.connect(database.superuser_url, command_timeout=300)
    try:
        await connection.execute("set session_replication_role = replica; set maintenance_work_mem = '256MB'")
        await connection.execute(f"alter database {database.name} set plan_cache_mode = auto")
        filled = {statement.split()[2] for statement in FILL}
        tables = [row[0] for row in await connection.fetch(_TABLES, filled)]
        for table in tables:
            if table not in _LOGGED:
                await connection.execute(f"alter table {table} set unlogged")
        of_them = "indrelid = any($1::text[]::regclass[])"
        await connection.execute(f"update pg_index set indisready = false where {of_them}", tables)
        # In one transaction: a vote and its payment were placed at the same instant.
        async with connection.transaction():
            for statement in FILL:
                await connection.execute(statement)
        await connection.execute(f"update contest_heads set next_seq = {SOME + 1} where next_seq < {SOME}")
        for table in tables:
            await connection.execute(f"reindex table {table}")
        assert not await connection.fetchval("select count(*) from pg_index where not indisready")
        await connection.execute("analyze")
        # Which PostgreSQL does not do by itself for a partitioned table as a whole.
        await connection.execute("delete from pg_statistic where stainherit")
    finally:
        await connection.close()
        KEPT.forget(database.name)
