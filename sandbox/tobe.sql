-- The store: the To-Be operational database. Run by its owner in the database `tobe` at every start; safe to repeat.

CREATE SCHEMA IF NOT EXISTS tobe;
CREATE SEQUENCE IF NOT EXISTS tobe.payment_id;
-- Files are numbered far above the legacy side's own numbers: the two never meet, whichever side takes a file in.
CREATE SEQUENCE IF NOT EXISTS tobe.batch_id START 100000001;

-- Reference data, spread to every platform of the bank: which account an IBAN is.
CREATE TABLE IF NOT EXISTS tobe.account (
  account_id bigint PRIMARY KEY,
  iban       text NOT NULL UNIQUE,
  currency   char(3) NOT NULL
);

CREATE TABLE IF NOT EXISTS tobe.payment (
  payment_id          bigint PRIMARY KEY DEFAULT nextval('tobe.payment_id'),
  uetr                uuid NOT NULL UNIQUE,
  idempotency_key     text UNIQUE,
  end_to_end_id       text NOT NULL,
  instruction_id      text NOT NULL,
  channel             text NOT NULL,
  debtor_account_id   bigint NOT NULL,
  creditor_account_id bigint NOT NULL,
  amount              numeric(23,5) NOT NULL CHECK (amount > 0),
  currency            char(3) NOT NULL,
  value_date          date NOT NULL,
  status              text NOT NULL,
  remittance          text,
  details             jsonb,
  created_at          timestamptz NOT NULL,
  updated_at          timestamptz NOT NULL,
  smoke               text,                                -- the mark of a synthetic payment
  batch_id            bigint,                              -- the file that it came in
  charges             numeric(12,4)
);

-- Also of payments that were begun on the legacy side, which have no row in tobe.payment, and what happened on the legacy side
-- to payments that were begun here: brought over before the store takes the writes. The latest one is the payment's status,
-- whatever tobe.payment.status says of it.
CREATE TABLE IF NOT EXISTS tobe.payment_status (
  payment_id  bigint NOT NULL,
  uetr        uuid NOT NULL,
  seq         int NOT NULL,
  status      text NOT NULL,
  reason_code text,
  reported_by text NOT NULL,
  occurred_at timestamptz NOT NULL,
  PRIMARY KEY (uetr, seq)
);
ALTER TABLE tobe.payment_status ADD COLUMN IF NOT EXISTS smoke text;  -- as of its payment: never on the legacy side

-- What was answered to which key. Keys of the legacy side are brought over before the switch, also (after a way back) those of
-- payments that were made here: origin is part of the key, so that what the legacy side has can be counted.
CREATE TABLE IF NOT EXISTS tobe.idempotency (
  key        text NOT NULL,
  uetr       uuid NOT NULL,
  payment_id bigint,
  origin     text NOT NULL CHECK (origin IN ('legacy', 'tobe')),
  PRIMARY KEY (key, origin)
);
CREATE INDEX IF NOT EXISTS idempotency_uetr ON tobe.idempotency (uetr);

-- What happened here, in the order (xid, seq); read only below pg_snapshot_xmin(pg_current_snapshot()), so that nothing can
-- still commit in between. payload, all values as text, numbers or null as in the tables (amounts and times as text):
--   payment: the columns of tobe.payment; `batch`: the file's columns as in payhub.file_batch, or null
--   status:  the columns of tobe.payment_status; `smoke`: the payment's mark, or null
--   both:    `event` {event_id, topic, message_key, event_type, payload, created_at}: what the relay publishes to Kafka. On the
--            legacy side it is a row of payhub.outbox that has been published already: the store's own relay did it.
--   marker:  {"marker": text}
CREATE TABLE IF NOT EXISTS tobe.outbox (
  seq        bigserial PRIMARY KEY,
  xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
  event_id   uuid NOT NULL UNIQUE,
  kind       text NOT NULL CHECK (kind IN ('payment', 'status', 'marker')),
  payload    jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS outbox_order ON tobe.outbox (xid, seq);

-- How far the relay to Kafka has come. Never fenced: what was committed is published, whoever writes next.
CREATE TABLE IF NOT EXISTS tobe.relay (
  name text PRIMARY KEY,
  xid  xid8 NOT NULL,
  seq  bigint NOT NULL
);
INSERT INTO tobe.relay VALUES ('kafka', '0', 0) ON CONFLICT DO NOTHING;
