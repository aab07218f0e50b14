package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/config"
	"ringmaster/internal/app"
	"ringmaster/internal/app/demo"
)

func serveCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "serve", Short: "run the controller against your exchange and database", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&file, "config", "config.yaml", "configuration file (see `ringmaster config example`)")
	return cmd
}

func serve(ctx context.Context, c config.Config) error {
	log := logger(c.Log.Level, c.Log.Format)
	a, err := app.New(ctx, app.Options{Config: c, Log: log})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.HTTP.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("http.listen: %w", err), a.Close())
	}
	srv := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		err := srv.Serve(l)
		if !errors.Is(err, http.ErrServerClosed) {
			cancel()
		}
		served <- err
	}()
	log.Info("ringmaster serves", "listen", l.Addr(), "controller", c.Controller.ID)
	err = a.Run(ctx)
	shut, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	_ = srv.Shutdown(shut)
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return errors.Join(err, a.Close())
}

func demoCommand() *cobra.Command {
	o := demo.Options{Out: os.Stdout}
	level := "error"
	cmd := &cobra.Command{
		Use: "demo", Short: "several calls to scripted callees, printed as they happen", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = logger(level, "text")
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Once, "once", false, "end after the calls")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print one JSON object in place of the conversations")
	cmd.Flags().StringVar(&o.Listen, "listen", "", `serve the API here and first print {"api","key"}`)
	cmd.Flags().StringVar(&o.PBX, "pbx", "ari", "ari, esl or both: the exchange twins by Asterisk's interface, FreeSWITCH's, or half the calls by each; asterisk: a real one")
	cmd.Flags().StringVar(&o.Bind, "bind", "127.0.0.1", "asterisk: address that SIP listens at")
	cmd.Flags().StringVar(&level, "log", level, "debug, info, warn, error")
	return cmd
}

func doctorCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "doctor", Short: "check exchange, database, media path and providers one by one", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			bad := 0
			for f := range app.Doctor(cmd.Context(), c) {
				mark := "ok  "
				if !f.OK {
					mark = "FAIL"
					bad++
				}
				fmt.Printf("%s  %-28s %s\n", mark, f.Part, f.Detail)
				if !f.OK && f.Fix != "" {
					fmt.Printf("      %-28s → %s\n", "", f.Fix)
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of the checks failed", bad)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "config.yaml", "configuration file")
	return cmd
}

func migrateCommand() *cobra.Command {
	var file string
	var to int64
	cmd := &cobra.Command{
		Use: "migrate", Short: "bring the database's schema to a version (serve does it by itself, upwards)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			st, err := app.ConnectStore(cmd.Context(), c, logger("error", "text"))
			if err != nil {
				return err
			}
			defer func() { _ = st.Close() }()
			have, err := st.Migrate(cmd.Context(), to)
			if err == nil {
				fmt.Printf("schema version %d\n", have)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", "config.yaml", "configuration file")
	cmd.Flags().Int64Var(&to, "to", -1, "version; -1 = newest")
	return cmd
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "the configuration file"}
	cmd.AddCommand(
		&cobra.Command{Use: "example", Short: "print an example with every key explained", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { fmt.Print(config.Example()); return nil }},
		&cobra.Command{Use: "check FILE", Short: "report every mistake of a file", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				if _, err := config.Load(args[0]); err != nil {
					return err
				}
				fmt.Println(strings.TrimSpace(args[0]), "is usable")
				return nil
			}},
	)
	return cmd
}
