package freeswitch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// ProbeMedia lets FreeSWITCH call our media endpoint for a call that does not
// exist, and hangs up again: what a doctor asks before the first call.
func (s *Switch) ProbeMedia(ctx context.Context, f audio.Format) error {
	if err := f.Validate(); err != nil {
		return refuse("%v", err)
	}
	if err := s.up(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Media.ConnectTimeout)
	defer cancel()
	x, err := s.endpoint.Expect(f)
	if err != nil {
		return refuse("%v", err)
	}
	defer x.Cancel()
	id := "probe-" + uuid.NewString()
	d, err := dialString([]variable{{"origination_uuid", id}, {"absolute_codec_string", codec(f)}, {"originate_timeout", "5"}, {"ignore_early_media", "true"},
		{"origination_caller_id_number", "ringmaster"}, {"origination_caller_id_name", "ringmaster"}, {"presence_data", "media"}},
		"sofia/"+s.cfg.Media.Profile+"/"+strings.TrimPrefix(x.URI(), "sip:"))
	if err != nil {
		return refuse("%v", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = s.kill(ctx, id, pbx.CauseNormal)
	}()
	if err := s.esl.BgAPI(ctx, "rm.probe."+id, "originate "+d+" &park()"); err != nil {
		return err
	}
	m, err := x.Await(ctx)
	if err != nil {
		return fmt.Errorf("%w: FreeSWITCH did not call our media endpoint %s", pbx.ErrUnavailable, s.endpoint.Addr())
	}
	return m.Close()
}

// Lacks names what of a FreeSWITCH we would miss: modules and sofia profiles or
// gateways that are not there, in words for an operator.
func (s *Switch) Lacks(ctx context.Context) ([]string, error) {
	var lacks []string
	modules := []string{"mod_sofia", "mod_dptools", "mod_commands", "mod_sndfile", "mod_tone_stream"}
	for _, q := range s.cfg.Queues {
		if q.Callcenter != "" {
			modules = append(modules, "mod_callcenter")
			break
		}
	}
	for _, m := range modules {
		reply, err := s.esl.API(ctx, "module_exists "+m)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(reply) != "true" {
			lacks = append(lacks, m+" is not loaded: add it to modules.conf.xml")
		}
	}
	profiles, gateways := map[string]bool{s.cfg.Media.Profile: true}, map[string]bool{}
	for _, t := range s.cfg.Trunks {
		parts := strings.Split(t.Endpoint, "/")
		switch {
		case len(parts) < 3 || parts[0] != "sofia":
		case parts[1] == "gateway":
			gateways[parts[2]] = true
		default:
			profiles[parts[1]] = true
		}
	}
	for name := range profiles {
		if err := s.status(ctx, "profile", name); err != nil {
			lacks = append(lacks, fmt.Sprintf("the sofia profile %s is not running: %v", name, err))
		}
	}
	for name := range gateways {
		if err := s.status(ctx, "gateway", name); err != nil {
			lacks = append(lacks, fmt.Sprintf("the gateway %s of a trunk does not exist: %v", name, err))
		}
	}
	return lacks, nil
}

// status asks sofia whether something of that name exists.
func (s *Switch) status(ctx context.Context, kind, name string) error {
	reply, err := s.esl.API(ctx, "sofia status "+kind+" "+name)
	if err != nil {
		return err
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(reply), "\n"); strings.HasPrefix(first, "Invalid") || strings.Contains(first, "not found") {
		return fmt.Errorf("%s", esl.Clean(first, 80))
	}
	return nil
}
