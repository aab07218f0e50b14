package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ringmaster/config"
	"ringmaster/internal/app"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/replay"
	"ringmaster/internal/nlu"
)

type replayOptions struct {
	config, which string
	last, show    int
}

func scriptReplayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use: "replay SCRIPT", Short: "run a new version over the last real calls: who would go elsewhere", Args: cobra.ExactArgs(1),
		Long: "Takes the stored inputs of the last answered calls of the script with the same id, decides each call again by the version that it ran by\n" +
			"(which must give what was stored), and then by the version in the file. Printed are the calls that take another way or end otherwise.\n" +
			"Reads the database and writes nothing.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return scriptReplay(cmd.Context(), cmd.OutOrStdout(), args[0], o)
		},
	}
	cmd.Flags().StringVar(&o.config, "config", "config.yaml", "configuration file")
	cmd.Flags().IntVar(&o.last, "last", 100, "how many answered calls, 1 to 10000")
	cmd.Flags().IntVar(&o.show, "show", 10, "how many of the calls that differ are shown one by one")
	cmd.Flags().StringVar(&o.which, "understanding", "stored", "stored: as it was understood in the call; trained or keyword: anew, by the version in the file")
	return cmd
}

func scriptReplay(ctx context.Context, out io.Writer, file string, o replayOptions) error {
	if o.last < 1 || o.last > 10000 {
		return errors.New("--last: 1 to 10000 calls")
	}
	files, lib, err := scriptFiles([]string{file})
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("%s holds %d scripts: name one of them", file, len(files))
	}
	src, err := readScript(files[0])
	if err != nil {
		return err
	}
	after, err := lib.Compile(files[0], src)
	if err != nil {
		return err
	}
	understand, done, err := anew(ctx, o.which, after)
	if err != nil {
		return err
	}
	defer done()
	c, err := config.Load(o.config)
	if err != nil {
		return fmt.Errorf("--config: a replay reads the controller's database, so run it where the controller's configuration is: %w", err)
	}
	st, err := app.ConnectStore(ctx, c, logger("error", "text"))
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	if err := st.CheckSchema(ctx); err != nil {
		return err
	}
	talks, err := app.PastTalks(ctx, c, st, after.Info().ID, o.last)
	if err != nil {
		return err
	}
	if len(talks) == 0 {
		return fmt.Errorf("no answered call of the script %s is stored", after.Info().ID)
	}
	return printReplay(out, after, talks, understand, o.show)
}

// anew understands by the version in the file; nil = as it was in the call.
func anew(ctx context.Context, which string, s *dialogue.Script) (replay.Understand, func(), error) {
	if which == "stored" {
		return nil, func() {}, nil
	}
	u, done, err := ears(ctx, which, s)
	if err != nil {
		return nil, nil, fmt.Errorf("%w, or stored", err)
	}
	return replayEars(ctx, u), done, nil
}

func printReplay(out io.Writer, after *dialogue.Script, talks []app.PastTalk, u replay.Understand, show int) error {
	var sum replay.Summary
	wrong, exact, shown := map[string]int{}, 0, 0
	for _, t := range talks {
		if t.Wrong != "" {
			wrong[t.Wrong]++
			continue
		}
		exact++
		c, err := replay.Compare(t.Script, after, t.Customer, t.Talk, u)
		if err != nil {
			return err
		}
		sum.Add(c)
		if !c.Elsewhere && !c.Ends || shown == show {
			continue
		}
		shown++
		fmt.Fprintf(out, "%s  version %s\n", t.Attempt, t.Script.Info().Version)
		fmt.Fprintf(out, "  was  %s: %s\n", ending(c.Before), strings.Join(c.Before.Nodes, " > "))
		fmt.Fprintf(out, "  is   %s: %s\n\n", ending(c.After), strings.Join(c.After.Nodes, " > "))
	}
	fmt.Fprintf(out, "version in the file: %s\n%d of %d calls decide again exactly what is stored\n", after.Info().Version, exact, len(talks))
	for _, why := range sortedKeys(wrong) {
		fmt.Fprintf(out, "  %d left out: %s\n", wrong[why], why)
	}
	_, err := fmt.Fprintln(out, sum)
	return err
}

func ending(p replay.Path) string {
	if p.Grade == "" {
		return string(p.Disposition)
	}
	return string(p.Disposition) + ", grade " + p.Grade
}

func replayEars(ctx context.Context, u nlu.Understander) replay.Understand {
	return func(q nlu.Question) (nlu.Answer, error) { return u.Understand(ctx, q) }
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
