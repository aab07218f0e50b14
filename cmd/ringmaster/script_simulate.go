package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/internal/dialogue/rehearse"
	"ringmaster/internal/dialogue/simulate"
)

type simulateOptions struct {
	chat          chatOptions
	calls         int
	seed          uint64
	now, goal, to string
	weights       map[string]int
	asJSON        bool
}

func scriptSimulateCommand() *cobra.Command {
	var o simulateOptions
	cmd := &cobra.Command{
		Use: "simulate SCRIPT", Short: "call imaginary customers: how far they come and how calls end", Args: cobra.ExactArgs(1),
		Long: "Each customer is a persona that answers in words of the script and of the conversations beside it; what is said is understood as in a\n" +
			"call. The same script, options and seed give the same calls. The mix of personas is an assumption: set it with --weights.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return scriptSimulate(cmd.Context(), cmd.OutOrStdout(), args[0], o)
		},
	}
	customerFlags(cmd, &o.chat)
	cmd.Flags().IntVar(&o.calls, "calls", 1000, "how many calls, 1 to 100000")
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "the same seed gives the same customers")
	cmd.Flags().StringVar(&o.now, "now", "2036-01-01T10:00:00+08:00", "the moment of the calls (RFC 3339)")
	cmd.Flags().StringVar(&o.goal, "goal", "", "the node that the script is for; empty = an end as completed")
	cmd.Flags().StringVarP(&o.to, "output", "o", "", "write the picture (SVG) to this file")
	cmd.Flags().StringToIntVar(&o.weights, "weights", nil, "the mix: --weights cooperative=50,busy=30; a persona that is not named is not met")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print the report as JSON")
	return cmd
}

func scriptSimulate(ctx context.Context, out io.Writer, file string, o simulateOptions) error {
	if o.calls < 1 || o.calls > 100000 {
		return errors.New("--calls: 1 to 100000")
	}
	now, err := time.Parse(time.RFC3339, o.now)
	if err != nil {
		return fmt.Errorf("--now: %w", err)
	}
	weights, err := mix(o.weights)
	if err != nil {
		return err
	}
	s, c, err := oneScript(file, o.chat)
	if err != nil {
		return err
	}
	if o.goal != "" && !slices.Contains(s.Info().Nodes, o.goal) {
		return fmt.Errorf("--goal %q: the script has the nodes %s", o.goal, strings.Join(s.Info().Nodes, ", "))
	}
	u, done, err := ears(ctx, o.chat.which, s)
	if err != nil {
		return err
	}
	defer done()
	rep, err := simulate.Run(ctx, s, u, simulate.Options{Calls: o.calls, Seed: o.seed, Weights: weights, Customer: c, Now: now, Goal: o.goal, Spare: spareLines(file)})
	if err != nil {
		return err
	}
	if o.to != "" {
		if err := os.WriteFile(o.to, []byte(rep.SVG()), 0o644); err != nil { //nolint:gosec // a picture for everybody
			return err
		}
	}
	if o.asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(rep)
	}
	_, err = fmt.Fprint(out, rep)
	return err
}

func mix(named map[string]int) (map[simulate.Persona]int, error) {
	if len(named) == 0 {
		return nil, nil
	}
	out, sum := map[simulate.Persona]int{}, 0
	for name, n := range named {
		p := simulate.Persona(name)
		if !slices.Contains(simulate.Personas(), p) || n < 0 || n > 1e6 {
			return nil, fmt.Errorf("--weights %s=%d: a weight from 0 to 1000000 of one of %v", name, n, simulate.Personas())
		}
		out[p] = n
		sum += n
	}
	if sum == 0 {
		return nil, errors.New("--weights: at least one above 0")
	}
	return out, nil
}

// spareLines are what customers say in the conversations beside a script.
func spareLines(file string) (out []string) {
	beside := strings.TrimSuffix(file, ".yaml") + ".test.yaml"
	src, err := readScript(beside)
	if err != nil {
		return nil
	}
	suite, err := rehearse.Load(beside, src)
	if err != nil {
		return nil
	}
	for _, c := range suite.Conversations {
		for _, step := range c.Talk {
			if step.Them != "" {
				out = append(out, step.Them)
			}
		}
	}
	return out
}
