package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// sqlLog logs failed and slow statements by their text with placeholders: never a value.
type sqlLog struct {
	log  *slog.Logger
	slow time.Duration
}

// ParamsFilter keeps values out of what gorm hands to Trace.
func (l sqlLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

// LogMode implements logger.Interface; the level is the one of log.
func (l sqlLog) LogMode(logger.LogLevel) logger.Interface { return l }

// Info implements logger.Interface; gorm's own remarks may quote values and are dropped.
func (l sqlLog) Info(context.Context, string, ...any) {}

// Warn implements logger.Interface.
func (l sqlLog) Warn(context.Context, string, ...any) {}

// Error implements logger.Interface.
func (l sqlLog) Error(context.Context, string, ...any) {}

// Trace implements logger.Interface.
func (l sqlLog) Trace(ctx context.Context, begin time.Time, fc func() (string, int64), err error) {
	took := time.Since(begin)
	switch {
	case err != nil && !expected(err):
		sql, _ := fc()
		l.log.WarnContext(ctx, "database statement failed", "err", clean(err), "sql", sql, "took", took)
	case took > l.slow:
		sql, rows := fc()
		l.log.WarnContext(ctx, "database statement was slow", "sql", sql, "took", took, "rows", rows)
	}
}

// expected are errors that the store itself answers.
func expected(err error) bool {
	return errors.Is(err, gorm.ErrRecordNotFound) || isDuplicate(err) || isConflict(err) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded)
}
