package asterisk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
)

// MissingContexts names those of some dialplan contexts that the exchange does
// not have, sorted. Each comes with an extension that is looked for in it. ARI
// answers such questions only for a channel, so one is made that calls nobody.
func (s *Switch) MissingContexts(ctx context.Context, want map[string]string) ([]string, error) {
	id := "probe-" + uuid.NewString()
	if err := s.ari.Create(ctx, ari.Originate{ChannelID: id, Endpoint: "Local/s@" + id}); err != nil {
		return nil, own(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = s.ari.Hangup(ctx, id, pbx.CauseNormal)
	}()
	var missing []string
	for name, extension := range want {
		if name == "" || extension == "" || !identifier(name) || !identifier(extension) {
			return nil, refuse("a context and its extension are [A-Za-z0-9._-]")
		}
		there, err := s.ari.Variable(ctx, id, "DIALPLAN_EXISTS("+name+","+extension+",1)")
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: whether a dialplan context exists is told by func_dialplan: load it: %w", pbx.ErrRefused, err)
		case there != "1":
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing, nil
}
