package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/internal/nlu/classify"
)

func nluCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "nlu", Short: "language understanding: train and measure"}
	cmd.AddCommand(nluEvalCommand(), nluReportCommand())
	return cmd
}

// nluEval are the flags of `ringmaster nlu eval`.
type nluEval struct {
	train, test, oos, confusion string
	json                        bool
}

// nluResult is what it prints as JSON.
type nluResult struct {
	classify.Report
	Train     int     `json:"train_examples"`
	Labels    int     `json:"labels"`
	Features  int     `json:"features"`
	Threshold float64 `json:"threshold"`
	Seconds   float64 `json:"train_seconds"`
	Micros    float64 `json:"us_per_utterance"`
}

func nluEvalCommand() *cobra.Command {
	var o nluEval
	cmd := &cobra.Command{
		Use: "eval", Short: "train the embedded classifier on one table and measure it on another", Args: cobra.NoArgs,
		Long: "Tables are TSV in UTF-8: label, tab, text. The threshold of rejection and the confidence are fixed from --train alone;\n" +
			"--oos holds sentences of no known label (its own labels are not looked at) and is only measured.",
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	cmd.Flags().StringVar(&o.train, "train", "", "table to learn from")
	cmd.Flags().StringVar(&o.test, "test", "", "table to measure on")
	cmd.Flags().StringVar(&o.oos, "oos", "", "table of out-of-scope sentences")
	cmd.Flags().StringVar(&o.confusion, "confusion", "", "write a picture of the confusion matrix here, .png or .svg")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object")
	for _, f := range []string{"train", "test"} {
		_ = cmd.MarkFlagRequired(f)
	}
	return cmd
}

func (o nluEval) run(cmd *cobra.Command) error {
	if p := strings.ToLower(o.confusion); p != "" && !strings.HasSuffix(p, ".png") && !strings.HasSuffix(p, ".svg") {
		return fmt.Errorf("--confusion %s: the name ends in .png or .svg", o.confusion)
	}
	train, err := readExamples(o.train)
	if err != nil {
		return err
	}
	test, err := readExamples(o.test)
	if err != nil {
		return err
	}
	var oos []classify.Example
	if o.oos != "" {
		if oos, err = readExamples(o.oos); err != nil {
			return err
		}
	}
	start := time.Now()
	m, err := classify.Train(cmd.Context(), train, classify.Options{})
	if err != nil {
		return fmt.Errorf("%s: %w", o.train, err)
	}
	r := nluResult{Seconds: time.Since(start).Seconds(), Train: len(train), Labels: len(m.Labels()), Features: m.Features(), Threshold: m.Threshold()}
	r.Report = m.Evaluate(test, oos, time.Now)
	r.Micros = float64(r.Elapsed.Nanoseconds()) / 1000 / float64(len(test)+len(oos))
	if o.confusion != "" {
		if err := writePicture(o.confusion, r.Matrix); err != nil {
			return err
		}
	}
	if o.json {
		r.Confusions = r.Confusions[:min(len(r.Confusions), 20)]
		return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
	}
	return r.print(cmd.OutOrStdout())
}

func readExamples(path string) ([]classify.Example, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	es, err := classify.ReadTSV(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return es, nil
}

func writePicture(path string, m classify.Matrix) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if strings.HasSuffix(strings.ToLower(path), ".svg") {
		err = m.WriteSVG(f)
	} else {
		err = m.WritePNG(f)
	}
	return errors.Join(err, f.Close())
}

func (r nluResult) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "trained on\t%d examples, %d labels, %d features in %.1f s\n", r.Train, r.Labels, r.Features, r.Seconds)
	fmt.Fprintf(w, "accuracy\t%.2f %%\t(%d examples)\n", 100*r.Accuracy, r.Examples)
	fmt.Fprintf(w, "accuracy, rejecting\t%.2f %%\t(threshold %.3f, from the training table alone)\n", 100*r.AccuracyRejecting, r.Threshold)
	fmt.Fprintf(w, "macro F1\t%.2f %%\n", 100*r.MacroF1)
	if r.OutOfScope > 0 {
		fmt.Fprintf(w, "out of scope rejected\t%.2f %%\t(%d examples)\n", 100*r.OOSRecall, r.OutOfScope)
	}
	fmt.Fprintf(w, "calibration error\t%.2f %%\n", 100*r.CalibrationError)
	fmt.Fprintf(w, "time\t%.1f µs an utterance\n", r.Micros)
	if len(r.Confusions) > 0 {
		fmt.Fprintf(w, "\nworst confusions\t(truth, taken for, times)\n")
	}
	for _, c := range r.Confusions[:min(len(r.Confusions), 15)] {
		fmt.Fprintf(w, "%s\t%s\t%d\n", c.Truth, c.Answer, c.Count)
	}
	return w.Flush()
}
