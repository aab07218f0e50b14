package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/rehearse"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// chatOptions say who talks.
type chatOptions struct {
	which, segment, language, name string
	vars                           map[string]string
	config                         string // whose catalogue of voices speaks
}

func (o chatOptions) customer() dialogue.Customer {
	vars := map[string]any{}
	for k, v := range o.vars {
		vars[k] = v
	}
	return dialogue.Customer{ID: "you", Name: o.name, Segment: o.segment, Language: speech.Language(o.language), Vars: vars}
}

func customerFlags(cmd *cobra.Command, o *chatOptions) {
	earsFlag(cmd, &o.which)
	cmd.Flags().StringVar(&o.segment, "segment", "", "the customer's segment")
	cmd.Flags().StringVar(&o.language, "language", "", "the customer's language: cmn, yue, ...")
	cmd.Flags().StringVar(&o.name, "name", "", "the customer's name; empty = that of the conversations beside the script, or 王小明")
	cmd.Flags().StringToStringVar(&o.vars, "var", nil, "a variable of the script: --var discount=8 --var ends=2036-01-01")
}

func scriptChatCommand() *cobra.Command {
	var o chatOptions
	cmd := &cobra.Command{
		Use: "chat SCRIPT", Short: "talk to a script: type what the customer says", Args: cobra.ExactArgs(1),
		Long: "Shown are our lines, and for each of yours the node, what was understood with its confidence and reason, the slots, and why the script moved\n" +
			"as it did. /silence, /keys 1, /voicemail and /quit are no words of the customer. Variables that the script needs and you do not give are taken\n" +
			"from the conversations beside it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return scriptChat(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), args[0], o)
		},
	}
	customerFlags(cmd, &o)
	cmd.Flags().StringVar(&o.config, "config", "", "a configuration: show which voice of its catalogue speaks, and why")
	return cmd
}

// oneScript compiles a script, with the customer of the conversations beside
// it where the flags leave something out.
func oneScript(file string, o chatOptions) (*dialogue.Script, dialogue.Customer, error) {
	files, lib, err := scriptFiles([]string{file})
	if err != nil {
		return nil, dialogue.Customer{}, err
	}
	if len(files) != 1 {
		return nil, dialogue.Customer{}, fmt.Errorf("%s holds %d scripts: name one of them", file, len(files))
	}
	src, err := readScript(files[0])
	if err != nil {
		return nil, dialogue.Customer{}, err
	}
	s, err := lib.Compile(files[0], src)
	if err != nil {
		return nil, dialogue.Customer{}, err
	}
	if err := known(s, o.vars); err != nil {
		return nil, dialogue.Customer{}, err
	}
	c := o.customer()
	beside := strings.TrimSuffix(files[0], ".yaml") + ".test.yaml"
	if talk, err := readScript(beside); err == nil {
		if suite, err := rehearse.Load(beside, talk); err == nil {
			lent := suite.Whom(suite.Conversations[0])
			for k, v := range lent.Vars {
				if _, ok := c.Vars[k]; !ok {
					c.Vars[k] = v
				}
			}
			c.Segment, c.Name = cmp.Or(c.Segment, lent.Segment), cmp.Or(c.Name, lent.Name)
		}
	}
	c.Name = cmp.Or(c.Name, "王小明")
	if missing := s.Missing(c); len(missing) > 0 {
		return nil, c, fmt.Errorf("the script needs %s: give it with --var", strings.Join(missing, "; "))
	}
	return s, c, nil
}

// known refuses variables that the script does not have: they would change
// nothing.
func known(s *dialogue.Script, vars map[string]string) error {
	names := []string{"gender"} // declared or not
	for _, v := range s.Info().Variables {
		names = append(names, v.Name)
	}
	for name := range vars {
		if !slices.Contains(names, name) {
			return fmt.Errorf("--var %s: the script has the variables %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

func scriptChat(ctx context.Context, in io.Reader, out io.Writer, file string, o chatOptions) error {
	s, c, err := oneScript(file, o)
	if err != nil {
		return err
	}
	catalogue, err := catalogueOf(o.config)
	if err != nil {
		return err
	}
	s = s.Cast(catalogue)
	u, done, err := ears(ctx, o.which, s)
	if err != nil {
		return err
	}
	defer done()
	stage, moves := rehearse.Open(s, u, c, time.Now())
	show := speakers{script: s, out: out}
	show.moves(stage.State, moves)
	lines := bufio.NewScanner(in)
	for !stage.Over() {
		fmt.Fprint(out, "> ")
		if !lines.Scan() {
			fmt.Fprintln(out)
			return lines.Err()
		}
		said := strings.TrimSpace(lines.Text())
		switch command, rest, _ := strings.Cut(said, " "); command {
		case "":
			continue
		case "/quit":
			return nil
		case "/silence":
			moves = stage.Give(dialogue.Input{Kind: dialogue.Silence})
		case "/voicemail":
			moves = stage.Give(dialogue.Input{Kind: dialogue.Machine, Reason: "greeting"})
		case "/keys":
			if strings.Trim(rest, "0123456789*#") != "" || rest == "" {
				fmt.Fprintln(out, "  /keys takes digits, * and #, such as /keys 1")
				continue
			}
			moves = stage.Give(dialogue.Input{Kind: dialogue.KeysPressed, Digits: rest})
		default:
			if strings.HasPrefix(said, "/") {
				fmt.Fprintln(out, "  there are /silence, /keys 1, /voicemail and /quit")
				continue
			}
			var a nlu.Answer
			if a, moves, err = stage.Hear(ctx, said); err != nil {
				return err
			}
			showAnswer(out, a)
		}
		show.moves(stage.State, moves)
		showState(out, stage.State)
	}
	switch {
	case stage.Transfer != nil:
		fmt.Fprintf(out, "= handed over to a person (%s%s)\n", stage.Transfer.Queue, stage.Transfer.Agent)
	case stage.End != nil:
		fmt.Fprintf(out, "= %s (%s)", stage.End.Disposition, stage.End.Disposition.Label("zh"))
		if stage.State.Grade != "" {
			fmt.Fprintf(out, ", grade %s", stage.State.Grade)
		}
		fmt.Fprintln(out)
	}
	return nil
}

// speakers shows what is said, and by whom where that changes.
type speakers struct {
	script *dialogue.Script
	out    io.Writer
	last   string
}

func (s *speakers) moves(st dialogue.State, moves []dialogue.Move) {
	out := s.out
	for _, m := range moves {
		if len(m.Lines) == 0 && len(m.Actions) == 0 && m.End == nil {
			continue
		}
		fmt.Fprintf(out, "  [%s] %s\n", m.Node, m.Reason)
		for _, l := range m.Lines {
			if v := s.script.VoiceOf(st, l); v.Voice != s.last {
				s.last = v.Voice
				fmt.Fprintf(out, "  voice %s: %s\n", cmp.Or(v.Voice, "of the provider"), v.Reason)
			}
			fmt.Fprintf(out, "us: %s\n", l.Text)
		}
		for _, a := range m.Actions {
			fmt.Fprintf(out, "  + %s %s\n", a.Kind, a.Value)
		}
	}
}

func showAnswer(out io.Writer, a nlu.Answer) {
	intent := string(a.Intent)
	if intent == "" {
		intent = "(not understood)"
	}
	fmt.Fprintf(out, "  heard: %s %.2f - %s", intent, a.Confidence, a.Reason)
	for i, c := range a.Candidates {
		if i > 0 && i < 3 {
			fmt.Fprintf(out, "; or %s %.2f", c.Intent, c.Confidence)
		}
	}
	for _, s := range a.Slots {
		fmt.Fprintf(out, "; %s = %s", s.Name, s.Value)
	}
	fmt.Fprintln(out)
}

func showState(out io.Writer, st dialogue.State) {
	if len(st.Slots) == 0 {
		return
	}
	names := make([]string, 0, len(st.Slots))
	for k := range st.Slots {
		names = append(names, k)
	}
	sort.Strings(names)
	fmt.Fprint(out, "  slots:")
	for _, k := range names {
		fmt.Fprintf(out, " %s=%s", k, st.Slots[k])
	}
	fmt.Fprintln(out)
}
