package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ringmaster/config"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

func voicesCommand() *cobra.Command {
	var file, language string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "voices", Short: "list the catalogue of voices (speech.voices)", Args: cobra.NoArgs,
		Long: "The voices that scripts may name, or ask for by what they are like. The first that fits speaks; the first for an industry is its default, the first\n" +
			"for no industry that of its language. `ringmaster doctor` lets each of them say a word.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			catalogue, err := catalogueOf(file)
			if err != nil {
				return err
			}
			return listVoices(cmd.OutOrStdout(), catalogue, speech.Language(language), asJSON)
		},
	}
	cmd.Flags().StringVar(&file, "config", "config.yaml", "configuration file")
	cmd.Flags().StringVar(&language, "language", "", "only those that speak it: cmn, yue, hak, ug or en")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// catalogueOf is that of a configuration; nil without a file.
func catalogueOf(file string) (*voices.Catalogue, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil is an empty catalogue
	}
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	return c.Speech.Catalogue()
}

func listVoices(out io.Writer, c *voices.Catalogue, l speech.Language, asJSON bool) error {
	list := []voices.Voice{}
	for _, v := range c.List() {
		if l == "" || v.Speaks(l) {
			list = append(list, v)
		}
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no voices: scripts name those of the first synthesizer, or speak with its default; add a catalogue under speech.voices (`ringmaster config example`)")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPROVIDER\tITS VOICE\tGENDER\tSPEAKS\tDIALECT\tINDUSTRIES\tSPEED\tDESCRIPTION")
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	for _, v := range list {
		langs := make([]string, len(v.Languages))
		for i, l := range v.Languages {
			langs[i] = string(l)
		}
		speed := v.Speed
		if speed == 0 {
			speed = 1
		}
		industries := strings.Join(v.Industries, " ")
		if industries == "" {
			industries = "all"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%g\t%s\n", v.Name, v.Provider, dash(v.Own), dash(v.Gender), strings.Join(langs, " "), dash(v.Dialect), industries, speed, v.About)
	}
	return w.Flush()
}
