package asterisk

import (
	"context"

	"ringmaster/internal/audio"
)

func (l *leg) openRTP(ctx context.Context, m *mediaLeg, f audio.Format) error { return refuse("no") }

func (l *leg) openAudioSocket(ctx context.Context, m *mediaLeg, f audio.Format) error {
	return refuse("no")
}
