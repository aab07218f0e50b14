package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/internal/dialogue/check"
)

// What a controller says of scripts (docs/script-versions.md).
type (
	scriptVersion struct {
		Version   string          `json:"version"`
		CreatedBy string          `json:"created_by"`
		CreatedAt time.Time       `json:"created_at"`
		Current   bool            `json:"current"`
		Check     json.RawMessage `json:"check,omitempty"`
	}
	scriptRelease struct {
		Seq     int64     `json:"seq"`
		Version string    `json:"version"`
		Action  string    `json:"action"`
		By      string    `json:"by"`
		Note    string    `json:"note,omitempty"`
		At      time.Time `json:"at"`
	}
	scriptHistory struct {
		ScriptID string          `json:"script_id"`
		Current  string          `json:"current"`
		Versions []scriptVersion `json:"versions"`
		History  []scriptRelease `json:"history"`
	}
	// published is what `script publish --json` and `rollback --json` print.
	published struct {
		ScriptID string         `json:"script_id"`
		Draft    *scriptVersion `json:"draft,omitempty"`
		Release  *scriptRelease `json:"release,omitempty"`
		Replaced string         `json:"replaced,omitempty"`
	}
)

// releaseOptions of publish and rollback.
type releaseOptions struct {
	controller
	version, note, replaces string
	draft, asJSON           bool
}

func (o *releaseOptions) flags(cmd *cobra.Command, scopes string) {
	o.controller.flags(cmd, scopes)
	cmd.Flags().StringVar(&o.note, "note", "", "why; it stands in the history")
	cmd.Flags().StringVar(&o.version, "version", "", "a version that the controller keeps: its first characters will do")
	cmd.Flags().StringVar(&o.replaces, "replaces", "", "the version that you saw in force: another one there is a conflict, and nothing changes (default: what is in force when the command begins)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
}

func scriptPublishCommand() *cobra.Command {
	var o releaseOptions
	cmd := &cobra.Command{
		Use: "publish FILE | publish SCRIPT_ID --version V", Short: "put a version in force on a running controller, after its check", Args: cobra.ExactArgs(1),
		Long: "The file is checked by the controller, with its lexicons and parts, and kept as a version; then it is put in force, and the next call of every\n" +
			"controller has it. What is refused is told with its places, and nothing changes. --draft keeps the version for somebody else to publish:\n" +
			"ringmaster script publish SCRIPT_ID --version V --note WHY.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return scriptPublish(cmd.Context(), cmd.OutOrStdout(), args[0], o)
		},
	}
	o.flags(cmd, "scripts:write (drafts) and scripts:publish")
	cmd.Flags().BoolVar(&o.draft, "draft", false, "check and keep the version, and leave in force what is")
	return cmd
}

func scriptRollbackCommand() *cobra.Command {
	var o releaseOptions
	cmd := &cobra.Command{
		Use: "rollback SCRIPT_ID", Short: "put a version in force again that was before", Args: cobra.ExactArgs(1),
		Long: "Without --version: the version that was in force before the one that is. Calls that run keep theirs; the next ones have the old one again.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return scriptRollback(cmd.Context(), cmd.OutOrStdout(), args[0], o)
		},
	}
	o.flags(cmd, "scripts:publish and scripts:read")
	return cmd
}

var scriptIDForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// errNoteMissing: the history is of no use without reasons.
var errNoteMissing = errors.New(`--note is missing: say why, it stands in the history (--note "shorter opening")`)

func scriptPublish(ctx context.Context, out io.Writer, what string, o releaseOptions) error {
	if filepath.Ext(what) == ".yaml" {
		return publishFile(ctx, out, what, o)
	}
	switch {
	case !scriptIDForm.MatchString(what):
		return fmt.Errorf("%s: name a script's file (it ends in .yaml), or the id of a script with --version", what)
	case o.draft:
		return errors.New("--draft: name the file that is to be kept")
	case o.version == "":
		return fmt.Errorf("--version is missing: `ringmaster script versions %s` lists what the controller keeps; to publish a file, name it with its .yaml", what)
	case o.note == "":
		return errNoteMissing
	}
	h, err := o.history(ctx, what)
	if err != nil {
		return err
	}
	version, err := h.find(o.version)
	if err != nil {
		return err
	}
	return release(ctx, out, o, "publish", h, version, nil)
}

func publishFile(ctx context.Context, out io.Writer, file string, o releaseOptions) error {
	if !o.draft && o.note == "" {
		return errNoteMissing
	}
	if o.version != "" {
		return errors.New("--version goes with the id of a script; a file is the version that it holds")
	}
	files, lib, err := scriptFiles([]string{file})
	if err != nil {
		return err
	}
	src, err := readScript(files[0])
	if err != nil {
		return err
	}
	sc, err := lib.Compile(file, src) // its id, and mistakes of the language without a controller
	if err != nil {
		return refused(out, file, o.asJSON, check.FromProblems(file, err))
	}
	id := sc.Info().ID
	h, err := o.history(ctx, id)
	var missing *answerError
	if errors.As(err, &missing) && missing.Status == http.StatusNotFound {
		h, err = scriptHistory{ScriptID: id}, nil // its first version
	}
	if err != nil {
		return err
	}
	answer, err := o.do(ctx, http.MethodPost, "/api/v1/scripts/"+id+"/drafts", "application/yaml", src)
	var no *answerError
	if errors.As(err, &no) && len(no.Findings) > 0 {
		return refused(out, file, o.asJSON, no.Findings)
	}
	if err != nil {
		return fmt.Errorf("the version was not kept: %w", err)
	}
	var draft scriptVersion
	if err := json.Unmarshal(answer, &draft); err != nil {
		return err
	}
	if draft.Version != sc.Info().Version && !o.asJSON {
		fmt.Fprintf(out, "note: the controller has other lexicons or parts than those beside %s; it checked and kept the script with its own\n", file)
	}
	if o.draft {
		return printPublished(out, o.asJSON, published{ScriptID: id, Draft: &draft, Replaced: h.Current})
	}
	return release(ctx, out, o, "publish", h, draft.Version, &draft)
}

func scriptRollback(ctx context.Context, out io.Writer, id string, o releaseOptions) error {
	if !scriptIDForm.MatchString(id) {
		return fmt.Errorf("%s is no id of a script: `ringmaster script versions` lists them", id)
	}
	if o.note == "" {
		return errNoteMissing
	}
	h, err := o.history(ctx, id)
	if err != nil {
		return err
	}
	version := h.before()
	if o.version != "" {
		if version, err = h.find(o.version); err != nil {
			return err
		}
	}
	if version == "" {
		return fmt.Errorf("no other version of %s has been in force: there is nothing to roll back to", id)
	}
	return release(ctx, out, o, "rollback", h, version, nil)
}

// release puts a version in force and tells what was before.
func release(ctx context.Context, out io.Writer, o releaseOptions, action string, h scriptHistory, version string, draft *scriptVersion) error {
	replaces := h.Current
	if o.replaces != "" {
		var err error
		if replaces, err = h.find(o.replaces); err != nil {
			return fmt.Errorf("--replaces: %w", err)
		}
	}
	var r scriptRelease
	err := o.post(ctx, "/api/v1/scripts/"+h.ScriptID+"/"+action, map[string]string{"version": version, "note": o.note, "replaces": replaces}, &r)
	var no *answerError
	switch {
	case errors.As(err, &no) && len(no.Findings) > 0:
		return refused(out, h.ScriptID+".yaml", o.asJSON, no.Findings)
	case errors.As(err, &no) && no.Status == http.StatusForbidden && draft != nil:
		return fmt.Errorf("version %s is kept as a draft and not in force, because this key may not publish: somebody whose key has scripts:publish does it with\n"+
			"  ringmaster script publish %s --version %s --note WHY", short(version), h.ScriptID, short(version))
	case errors.As(err, &no) && no.Status == http.StatusConflict:
		return fmt.Errorf("nothing was changed: %w; see `ringmaster script versions %s` and decide again", err, h.ScriptID)
	case err != nil:
		return fmt.Errorf("nothing was changed: %w", err)
	}
	return printPublished(out, o.asJSON, published{ScriptID: h.ScriptID, Draft: draft, Release: &r, Replaced: h.Current})
}

func printPublished(out io.Writer, asJSON bool, p published) error {
	if asJSON {
		return writeJSON(out, p)
	}
	if p.Release == nil {
		if p.Draft.Current {
			_, err := fmt.Fprintf(out, "%s: version %s is in force already\n", p.ScriptID, short(p.Draft.Version))
			return err
		}
		_, err := fmt.Fprintf(out, "%s: version %s passed its check and is kept as a draft; in force is still %s\nput it in force: ringmaster script publish %s --version %s --note WHY\n",
			p.ScriptID, short(p.Draft.Version), dash(short(p.Replaced)), p.ScriptID, short(p.Draft.Version))
		return err
	}
	r := p.Release
	if p.Replaced == r.Version {
		_, err := fmt.Fprintf(out, "%s: version %s was in force already (since %s, by %s); nothing changed\n", p.ScriptID, short(r.Version), day(r.At), r.By)
		return err
	}
	fmt.Fprintf(out, "%s: version %s is in force, %s %d by %s at %s\n", p.ScriptID, short(r.Version), r.Action, r.Seq, r.By, day(r.At))
	if p.Replaced == "" {
		_, err := fmt.Fprintln(out, "no version was in force before")
		return err
	}
	_, err := fmt.Fprintf(out, "before it %s; calls that run keep that one to their end\nback to it: ringmaster script rollback %s --version %s --note WHY\n", short(p.Replaced), p.ScriptID, short(p.Replaced))
	return err
}

// refused prints findings as `script check` does. Findings of the controller
// are in the file that was sent to it.
func refused(out io.Writer, file string, asJSON bool, findings []check.Finding) error {
	const sent = "script.yaml"
	for i := range findings {
		if findings[i].File == sent {
			findings[i].File = file
		}
		for j := range findings[i].Path {
			if findings[i].Path[j].File == sent {
				findings[i].Path[j].File = file
			}
		}
	}
	err := printReports(out, []check.Report{{File: file, Findings: findings}}, asJSON)
	return fmt.Errorf("nothing was published: %w", err)
}

// history of a script on the controller.
func (c controller) history(ctx context.Context, id string) (h scriptHistory, err error) {
	_, err = c.get(ctx, "/api/v1/scripts/"+id+"/versions?limit=500", &h)
	var no *answerError
	if errors.As(err, &no) && no.Status == http.StatusNotFound {
		err = fmt.Errorf("the controller has no script %s (`ringmaster script versions` lists them): %w", id, err)
	}
	return h, err
}

// find a version by its first characters.
func (h scriptHistory) find(prefix string) (string, error) {
	found := map[string]bool{}
	for _, v := range h.Versions {
		if strings.HasPrefix(v.Version, prefix) {
			found[v.Version] = true
		}
	}
	switch {
	case len(found) == 1:
		return sorted(found)[0], nil
	case len(found) > 1:
		return "", fmt.Errorf("%d versions of %s begin with %s: give more of it", len(found), h.ScriptID, prefix)
	case len(prefix) == 64:
		return prefix, nil // older than what was listed, perhaps
	}
	return "", fmt.Errorf("no version of %s begins with %s: `ringmaster script versions %s` lists them", h.ScriptID, prefix, h.ScriptID)
}

// before is the version that was in force before the one that is.
func (h scriptHistory) before() string {
	for _, r := range h.History {
		if r.Version != h.Current {
			return r.Version
		}
	}
	return ""
}

// short names a version: twelve characters of its hash.
func short(version string) string { return version[:min(12, len(version))] }

func writeJSON(out io.Writer, what any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(what)
}

func scriptVersionsCommand() *cobra.Command {
	var c controller
	asJSON, limit := false, 0
	cmd := &cobra.Command{
		Use: "versions [SCRIPT_ID]", Short: "what a controller keeps: every script, or the versions of one and who put which in force", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > 500 {
				return errors.New("--limit: 1 to 500")
			}
			if len(args) == 0 {
				return listScripts(cmd.Context(), cmd.OutOrStdout(), c, limit, asJSON)
			}
			return listVersions(cmd.Context(), cmd.OutOrStdout(), c, args[0], limit, asJSON)
		},
	}
	c.flags(cmd, "scripts:read")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many lines of each list, 1 to 500")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listScripts(ctx context.Context, out io.Writer, c controller, limit int, asJSON bool) error {
	var list struct {
		Scripts []struct {
			ScriptID  string    `json:"script_id"`
			Version   string    `json:"version,omitempty"`
			UpdatedAt time.Time `json:"updated_at"`
		} `json:"scripts"`
	}
	if _, err := c.get(ctx, fmt.Sprintf("/api/v1/scripts?limit=%d", limit), &list); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(out, list)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SCRIPT\tIN FORCE\tCHANGED")
	for _, s := range list.Scripts {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", s.ScriptID, dash(short(s.Version)), day(s.UpdatedAt))
	}
	return w.Flush()
}

func listVersions(ctx context.Context, out io.Writer, c controller, id string, limit int, asJSON bool) error {
	if !scriptIDForm.MatchString(id) {
		return fmt.Errorf("%s is no id of a script: `ringmaster script versions` lists them", id)
	}
	h, err := c.history(ctx, id)
	if err != nil {
		return err
	}
	h.Versions, h.History = h.Versions[:min(limit, len(h.Versions))], h.History[:min(limit, len(h.History))]
	if asJSON {
		return writeJSON(out, h)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "VERSION\tIN FORCE\tWRITTEN BY\tAT")
	for _, v := range h.Versions {
		mark := ""
		if v.Current {
			mark = "yes"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", short(v.Version), mark, v.CreatedBy, day(v.CreatedAt))
	}
	_, _ = fmt.Fprintln(w, "\nNO.\tACTION\tVERSION\tBY\tAT\tNOTE")
	for _, r := range h.History {
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Seq, r.Action, short(r.Version), r.By, day(r.At), r.Note)
	}
	return w.Flush()
}
