-- +goose Up
-- Exchanges and trunks that take no new calls. trunk '' is the whole exchange.
CREATE TABLE IF NOT EXISTS drain (
  pbx    TEXT NOT NULL,
  trunk  TEXT NOT NULL,
  reason TEXT NOT NULL,
  by_key TEXT NOT NULL,
  at     TEXT NOT NULL,
  PRIMARY KEY (pbx, trunk)
) STRICT;

-- +goose Down
DROP TABLE IF EXISTS drain;
