-- +goose Up
-- due_at is when the message may next be leased: a lease sets it to the lease's end.
CREATE TABLE IF NOT EXISTS outbox (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  aggregate       BLOB    NOT NULL,
  seq             INTEGER NOT NULL,
  kind            TEXT    NOT NULL,
  event           TEXT    NOT NULL,
  destination     TEXT    NOT NULL,
  body            BLOB    NOT NULL,
  state           TEXT    NOT NULL,
  tries           INTEGER NOT NULL,
  due_at          TEXT    NOT NULL,
  owner           TEXT    NOT NULL,
  status          INTEGER NOT NULL,
  reason          TEXT    NOT NULL,
  created_at      TEXT    NOT NULL,
  ended_at        TEXT    NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS outbox_id ON outbox (id);
CREATE UNIQUE INDEX IF NOT EXISTS outbox_order ON outbox (tenant_id, aggregate, seq);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (state, due_at);

CREATE TABLE IF NOT EXISTS idempotency (
  tenant_id       TEXT    NOT NULL,
  idem_key        BLOB    NOT NULL,
  request_hash    BLOB    NOT NULL,
  contact_id      BLOB    NOT NULL,
  created_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, idem_key)
) STRICT;
CREATE INDEX IF NOT EXISTS idempotency_age ON idempotency (created_at);

CREATE TABLE IF NOT EXISTS api_key (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  name            TEXT    NOT NULL,
  hash            BLOB    NOT NULL,
  scopes          TEXT    NOT NULL,
  expires_at      TEXT    NULL,
  revoked_at      TEXT    NULL,
  created_at      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS api_key_hash ON api_key (hash);

CREATE TABLE IF NOT EXISTS audit (
  tenant_id       TEXT    NOT NULL,
  id              BLOB    NOT NULL,
  at              TEXT    NOT NULL,
  actor           TEXT    NOT NULL,
  action          TEXT    NOT NULL,
  object          TEXT    NOT NULL,
  detail          TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX IF NOT EXISTS audit_at ON audit (tenant_id, at);

-- +goose Down
DROP TABLE IF EXISTS audit;
DROP TABLE IF EXISTS api_key;
DROP TABLE IF EXISTS idempotency;
DROP TABLE IF EXISTS outbox;
