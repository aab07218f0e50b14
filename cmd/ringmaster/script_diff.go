package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ringmaster/internal/app"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/check"
)

type diffOptions struct {
	controller
	from, to string
	asJSON   bool
}

func scriptDiffCommand() *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use: "diff OLD.yaml NEW.yaml | diff NEW.yaml | diff SCRIPT_ID", Short: "what two versions of a script do not have in common", Args: cobra.RangeArgs(1, 2),
		Long: "Two files; or one file and what is in force on a controller; or two versions that a controller keeps (--from, --to; without them the version in\n" +
			"force and the one before it). Printed are the nodes and replies that came, went or do something else, wherever they stand, and then the lines.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return scriptDiff(cmd.Context(), cmd.OutOrStdout(), args, o)
		},
	}
	o.flags(cmd, "scripts:read")
	cmd.Flags().StringVar(&o.from, "from", "", "the older version that the controller keeps: its first characters will do")
	cmd.Flags().StringVar(&o.to, "to", "", "the newer one; empty = what is in force")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

func scriptDiff(ctx context.Context, out io.Writer, args []string, o diffOptions) error {
	isFile := func(s string) bool { return filepath.Ext(s) == ".yaml" }
	var d app.ScriptDiff
	var err error
	switch {
	case len(args) == 2 && isFile(args[0]) && isFile(args[1]):
		d, err = diffFiles(ctx, args[0], args[1])
	case len(args) == 2:
		return errors.New("two files, which end in .yaml; or the id of one script, with --from and --to")
	case isFile(args[0]) && o.to != "":
		return errors.New("--to: a file is the newer version; name the older one with --from, or leave both out for what is in force")
	case isFile(args[0]):
		d, err = diffWithKept(ctx, args[0], o)
	case scriptIDForm.MatchString(args[0]):
		d, err = diffKept(ctx, args[0], o)
	default:
		return fmt.Errorf("%s is neither a file that ends in .yaml nor the id of a script", args[0])
	}
	var bad dialogue.Problems
	if errors.As(err, &bad) {
		return printReports(out, []check.Report{{File: bad[0].File, Findings: check.FromProblems(bad[0].File, err)}}, o.asJSON)
	}
	if err != nil {
		return err
	}
	if o.asJSON {
		return writeJSON(out, d)
	}
	return printDiff(out, d)
}

func diffFiles(ctx context.Context, from, to string) (app.ScriptDiff, error) {
	a, err := readScript(from)
	if err != nil {
		return app.ScriptDiff{}, err
	}
	b, err := readScript(to)
	if err != nil {
		return app.ScriptDiff{}, err
	}
	return app.CompareScripts(ctx, app.ScriptText{Path: from, Source: a}, app.ScriptText{Path: to, Source: b})
}

// diffWithKept compares a version of the controller with a file.
func diffWithKept(ctx context.Context, file string, o diffOptions) (app.ScriptDiff, error) {
	src, err := readScript(file)
	if err != nil {
		return app.ScriptDiff{}, err
	}
	_, lib, err := scriptFiles([]string{file})
	if err != nil {
		return app.ScriptDiff{}, err
	}
	sc, err := lib.Compile(file, src)
	if err != nil {
		return app.ScriptDiff{}, err
	}
	h, err := o.history(ctx, sc.Info().ID)
	if err != nil {
		return app.ScriptDiff{}, err
	}
	version := h.Current
	if o.from != "" {
		if version, err = h.find(o.from); err != nil {
			return app.ScriptDiff{}, err
		}
	}
	if version == "" {
		return app.ScriptDiff{}, fmt.Errorf("no version of %s is in force: name one with --from", sc.Info().ID)
	}
	kept, err := o.do(ctx, http.MethodGet, "/api/v1/scripts/"+h.ScriptID+"/versions/"+version, "", nil)
	if err != nil {
		return app.ScriptDiff{}, err
	}
	d, err := app.CompareScripts(ctx, app.ScriptText{Path: filepath.Join(filepath.Dir(file), h.ScriptID+"@"+short(version)+".yaml"), Source: kept}, app.ScriptText{Path: file, Source: src})
	return d, err
}

// diffKept asks the controller about two of its versions.
func diffKept(ctx context.Context, id string, o diffOptions) (d app.ScriptDiff, err error) {
	h, err := o.history(ctx, id)
	if err != nil {
		return d, err
	}
	from, to := h.before(), h.Current
	if o.from != "" {
		if from, err = h.find(o.from); err != nil {
			return d, fmt.Errorf("--from: %w", err)
		}
	}
	if o.to != "" {
		if to, err = h.find(o.to); err != nil {
			return d, fmt.Errorf("--to: %w", err)
		}
	}
	if from == "" || to == "" {
		return d, fmt.Errorf("fewer than two versions of %s have been in force: name them with --from and --to", id)
	}
	_, err = o.get(ctx, "/api/v1/scripts/"+id+"/diff?"+url.Values{"from": {from}, "to": {to}}.Encode(), &d)
	return d, err
}

func printDiff(out io.Writer, d app.ScriptDiff) error {
	fmt.Fprintf(out, "%s: %s to %s\n", d.ScriptID, short(d.From), short(d.To))
	if len(d.Lines) == 0 {
		_, err := fmt.Fprintln(out, "they are the same")
		return err
	}
	for _, x := range []struct {
		what  string
		parts app.PartsChanged
	}{{"node", d.Nodes}, {"reply", d.Replies}} {
		for _, p := range []struct {
			names []string
			how   string
		}{{x.parts.Added, "new"}, {x.parts.Removed, "gone"}, {x.parts.Changed, "changed"}} {
			if len(p.names) > 0 {
				fmt.Fprintf(out, "%-7s %-7s %s\n", x.what, p.how, strings.Join(p.names, ", "))
			}
		}
	}
	for _, l := range d.Lines {
		if _, err := fmt.Fprintf(out, "%s %4d  %s\n", l.Op, l.Line, l.Text); err != nil {
			return err
		}
	}
	return nil
}
