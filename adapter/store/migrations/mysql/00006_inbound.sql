-- +goose Up
-- Calls that came in are attempts too: direction is out or in. What only they have stands here: the exchange's name of the leg, by
-- which another controller can hang it up, and how the caller was known (called, before, nobody, withheld).
CREATE TABLE IF NOT EXISTS inbound (
  tenant_id  VARCHAR(64) NOT NULL,
  attempt_id BINARY(16)  NOT NULL,
  leg        VARCHAR(64) NOT NULL,
  known      VARCHAR(16) NOT NULL,
  created_at DATETIME(6) NOT NULL,
  PRIMARY KEY (tenant_id, attempt_id),
  KEY inbound_leg (tenant_id, leg, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'attempt' AND column_name = 'direction') > 0, 'DO 0',
  'ALTER TABLE attempt ADD COLUMN direction VARCHAR(8) NOT NULL DEFAULT ''out''');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'cdr' AND column_name = 'direction') > 0, 'DO 0',
  'ALTER TABLE cdr ADD COLUMN direction VARCHAR(8) NOT NULL DEFAULT ''out''');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;

-- +goose Down
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'cdr' AND column_name = 'direction') > 0,
  'ALTER TABLE cdr DROP COLUMN direction',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @q = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'attempt' AND column_name = 'direction') > 0,
  'ALTER TABLE attempt DROP COLUMN direction',
  'DO 0');
PREPARE step FROM @q;
EXECUTE step;
DEALLOCATE PREPARE step;
DROP TABLE IF EXISTS inbound;
