-- +goose Up
-- Exchanges and trunks that take no new calls. trunk '' is the whole exchange.
CREATE TABLE IF NOT EXISTS drain (
  pbx    VARCHAR(32)  NOT NULL,
  trunk  VARCHAR(32)  NOT NULL,
  reason VARCHAR(255) NOT NULL,
  by_key VARCHAR(255) NOT NULL,
  at     DATETIME(6)  NOT NULL,
  PRIMARY KEY (pbx, trunk)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS drain;
