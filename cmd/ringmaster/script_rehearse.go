package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/adapter/nlu/trained"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/rehearse"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
)

// errRehearsal ends `script test` with status 1.
var errRehearsal = errors.New("conversations do not go as written")

// ears gives the understander for one script, and what ends it: keywords
// alone, or a model of the script beside them as calls have it.
func ears(ctx context.Context, which string, s *dialogue.Script) (nlu.Understander, func(), error) {
	switch which {
	case "keyword":
		return keyword.New(), func() {}, nil
	case "trained":
		u := trained.New(trained.Options{Keyword: keyword.New(), Source: func(context.Context, string, string, string) ([]classify.Example, error) {
			return trained.Examples(s.Expectations()), nil
		}})
		if err := u.Train(ctx, nlu.Question{Script: s.Info().ID, Version: s.Info().Version}); err != nil {
			u.Close()
			return nil, nil, err
		}
		return u, u.Close, nil
	}
	return nil, nil, fmt.Errorf("--understanding %q: use trained (as calls do) or keyword", which)
}

func earsFlag(cmd *cobra.Command, which *string) {
	cmd.Flags().StringVar(which, "understanding", "trained", "who understands the customer: trained (as calls do) or keyword")
}

// rehearsal is what `script test` says of one script.
type rehearsal struct {
	File          string     `json:"file"`
	Script        string     `json:"script,omitempty"`
	Conversations int        `json:"conversations"`
	Failed        int        `json:"failed"`
	Nodes         int        `json:"nodes"`
	NodesMissed   []string   `json:"nodes_missed,omitempty"`
	Replies       int        `json:"replies"`
	RepliesMissed []string   `json:"replies_missed,omitempty"`
	Problems      []mistaken `json:"problems,omitempty"`
	Error         string     `json:"error,omitempty"` // the script or its conversations cannot be read
}

// mistaken is a conversation that went elsewhere.
type mistaken struct {
	Name       string   `json:"name"`
	Problems   []string `json:"problems"`
	Transcript []string `json:"transcript"`
}

func scriptTestCommand() *cobra.Command {
	asJSON, which := false, ""
	cmd := &cobra.Command{
		Use: "test PATH...", Short: "play the conversations beside scripts and tell what they cover", Args: cobra.MinimumNArgs(1),
		Long: "For each script X.yaml the conversations of X.test.yaml are played (docs/scripts.md says how they are written). Printed are those that\n" +
			"do not go as written, each with its transcript, and how many nodes and replies of the script some conversation has reached.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return scriptTest(cmd.Context(), cmd.OutOrStdout(), args, which, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the results as one JSON array")
	earsFlag(cmd, &which)
	return cmd
}

func scriptTest(ctx context.Context, out io.Writer, paths []string, which string, asJSON bool) error {
	files, lib, err := scriptFiles(paths)
	if err != nil {
		return err
	}
	all := make([]rehearsal, 0, len(files))
	failed := 0
	for _, file := range files {
		r, err := rehearseFile(ctx, lib, file, which)
		if err != nil {
			r = rehearsal{File: file, Error: err.Error()}
		}
		if r.Failed > 0 || r.Error != "" {
			failed++
		}
		all = append(all, r)
		if !asJSON {
			printRehearsal(out, r)
		}
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			return err
		}
	} else {
		printCoverage(out, all)
	}
	if failed > 0 {
		return fmt.Errorf("%w: %d of %d scripts", errRehearsal, failed, len(all))
	}
	return nil
}

func rehearseFile(ctx context.Context, lib *dialogue.Library, file, which string) (rehearsal, error) {
	src, err := readScript(file)
	if err != nil {
		return rehearsal{}, err
	}
	s, err := lib.Compile(file, src)
	if err != nil {
		return rehearsal{}, err
	}
	beside := strings.TrimSuffix(file, ".yaml") + ".test.yaml"
	talk, err := readScript(beside)
	if errors.Is(err, fs.ErrNotExist) {
		return rehearsal{}, fmt.Errorf("no conversations: write some into %s", beside)
	} else if err != nil {
		return rehearsal{}, err
	}
	suite, err := rehearse.Load(beside, talk)
	if err != nil {
		return rehearsal{}, err
	}
	if suite.Script != s.Info().ID {
		return rehearsal{}, fmt.Errorf("%s is for the script %q, beside it stands %q", beside, suite.Script, s.Info().ID)
	}
	u, done, err := ears(ctx, which, s)
	if err != nil {
		return rehearsal{}, err
	}
	defer done()
	rep, info := suite.Run(ctx, s, u), s.Info()
	r := rehearsal{File: file, Script: info.ID, Conversations: len(rep.Results), Failed: rep.Failed(), Nodes: len(info.Nodes), Replies: len(info.Replies),
		NodesMissed: rehearse.Untouched(info.Nodes, rep.Nodes), RepliesMissed: rehearse.Untouched(info.Replies, rep.Replies)}
	for _, res := range rep.Results {
		if len(res.Problems) > 0 {
			r.Problems = append(r.Problems, mistaken{res.Name, res.Problems, res.Transcript})
		}
	}
	return r, nil
}

func printRehearsal(out io.Writer, r rehearsal) {
	if r.Error != "" {
		fmt.Fprintf(out, "%s\n\n", r.Error)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(out, "%s: %s\n\n", r.File, rehearse.Result{Name: p.Name, Problems: p.Problems, Transcript: p.Transcript})
	}
}

// printCoverage is the table at the end.
func printCoverage(out io.Writer, all []rehearsal) {
	fmt.Fprintf(out, "%-28s %13s %7s %9s %9s  %s\n", "script", "conversations", "failed", "nodes", "replies", "never reached")
	for _, r := range all {
		if r.Error != "" {
			fmt.Fprintf(out, "%-28s cannot be tested\n", r.File)
			continue
		}
		fmt.Fprintf(out, "%-28s %13d %7d %4d/%-4d %4d/%-4d  %s\n", r.Script, r.Conversations, r.Failed, r.Nodes-len(r.NodesMissed), r.Nodes,
			r.Replies-len(r.RepliesMissed), r.Replies, strings.Join(append(r.NodesMissed, r.RepliesMissed...), " "))
	}
}
