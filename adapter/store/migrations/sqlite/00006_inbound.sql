-- +goose Up
-- Calls that came in are attempts too: direction is out or in. What only they have stands here: the exchange's name of the leg, by
-- which another controller can hang it up, and how the caller was known (called, before, nobody, withheld).
CREATE TABLE IF NOT EXISTS inbound (
  tenant_id  TEXT NOT NULL,
  attempt_id BLOB NOT NULL,
  leg        TEXT NOT NULL,
  known      TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id)
) STRICT;
CREATE INDEX IF NOT EXISTS inbound_leg ON inbound (tenant_id, leg, created_at);
ALTER TABLE attempt ADD COLUMN direction TEXT NOT NULL DEFAULT 'out';
ALTER TABLE cdr ADD COLUMN direction TEXT NOT NULL DEFAULT 'out';

-- +goose Down
ALTER TABLE cdr DROP COLUMN direction;
ALTER TABLE attempt DROP COLUMN direction;
DROP TABLE IF EXISTS inbound;
