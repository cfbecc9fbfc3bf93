"""Every way to vote: options of a contest, photos, Telegram, dropped dialogues, support tickets."""

from alembic import op

revision = "0002"
down_revision = "0001"

CONTESTS = [
    # A list of contests that share a service code is a menu, so the code is no longer one contest's own.
    "alter table contests drop constraint contests_service_code_key",
    "create index contests_service_code on contests (service_code)",
    """
    alter table contests
      add column check_digits boolean not null default false,
      add column packs integer[] not null default '{}' check (0 < all (packs)),
      add column rules jsonb not null default '{}',
      add column contact text not null default ''
    """,
    "alter table candidates add column photo_url text",
    # A code that meant somebody once never means somebody else.
    """
    create function refuse_new_code() returns trigger language plpgsql as $$
    begin
      raise exception 'the code of a candidate is for ever' using errcode = 'check_violation';
    end $$
    """,
    """
    create trigger candidates_keep_their_code before update of code, contest_id on candidates for each row
    when (old.code is distinct from new.code or old.contest_id is distinct from new.contest_id)
    execute function refuse_new_code()
    """,
    """
    create trigger candidates_stay before delete on candidates for each row execute function refuse_new_code()
    """,
]

DIALOGUES = [
    # A voter who had reached a candidate and was cut off: one text with the code that completes the order.
    """
    create table unfinished_dialogues (
      phone_index bytea not null, contest_id uuid not null references contests, phone_cipher bytea not null,
      candidate_code text not null, quantity integer check (quantity > 0), language text not null,
      reached_at timestamptz not null default now(), handled_at timestamptz, outcome text,
      primary key (phone_index, contest_id))
    """,
    "create index unfinished_dialogues_due on unfinished_dialogues (reached_at) where handled_at is null",
    """
    create table support_tickets (
      id bigint generated always as identity primary key, contest_id uuid not null references contests,
      phone_index bytea not null, phone_cipher bytea not null, payment_reference uuid, language text not null,
      channel text not null, kind text not null, note text not null default '',
      status text not null default 'open' check (status in ('open','closed')),
      opened_at timestamptz not null default now(), closed_at timestamptz)
    """,
    """create unique index support_tickets_open_once on support_tickets (phone_index, contest_id, kind)
      where status = 'open'""",
]

TELEGRAM = [
    """
    create table telegram_updates (
      update_id bigint primary key, chat_id bigint, received_at timestamptz not null default now(),
      body_cipher bytea not null, handled_at timestamptz, outcome text)
    """,
    "create index telegram_updates_due on telegram_updates (update_id) where handled_at is null",
    """
    create table telegram_chats (
      chat_id bigint primary key, user_id bigint not null, language text,
      contest_id uuid references contests, phone_index bytea, phone_cipher bytea, verified_at timestamptz,
      reachable boolean not null default true,
      board_contest_id uuid references contests, board_message_id bigint, board_hash bytea,
      board_until timestamptz, board_edited_at timestamptz,
      created_at timestamptz not null default now(), seen_at timestamptz not null default now(),
      check ((phone_index is null) = (phone_cipher is null)))
    """,
    "create index telegram_chats_of_phone on telegram_chats (phone_index) where phone_index is not null",
    """create index telegram_chats_boards on telegram_chats (board_until)
      where board_message_id is not null""",
    # An order that was placed in a chat is answered there. `chat_message_id`: the message that shows its state.
    "alter table votes add column chat_id bigint",
    "create index votes_of_chat on votes (chat_id, placed_at desc) where chat_id is not null",
    "alter table messages_out add column chat_id bigint",
    "alter table messages_out drop constraint messages_out_check",
    """alter table messages_out add constraint messages_out_addressed
      check (payment_reference is not null or recipient_cipher is not null or chat_id is not null)""",
]

GRANTS = [
    "grant select, insert, delete on unfinished_dialogues to spotlight_app",
    """grant update (candidate_code, quantity, language, reached_at, handled_at, outcome, phone_cipher)
      on unfinished_dialogues to spotlight_app""",
    "grant select, insert, update on support_tickets to spotlight_app",
    "grant select, insert on telegram_updates to spotlight_app",
    "grant update (handled_at, outcome) on telegram_updates to spotlight_app",
    "grant select, insert, update on telegram_chats to spotlight_app",
]


def upgrade() -> None:
    """Add what every channel needs."""
    for statement in (*CONTESTS, *DIALOGUES, *TELEGRAM, *GRANTS):
        op.execute(statement)
