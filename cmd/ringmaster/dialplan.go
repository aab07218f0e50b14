package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ringmaster/config"
	"ringmaster/internal/app"
)

func dialplanCommand() *cobra.Command {
	var file, out, pbx string
	render := &cobra.Command{
		Use: "render", Short: "write the parts of your exchange's configuration that belong to a configuration file", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			kind, err := app.RenderDialplan(c, pbx, out)
			if err != nil {
				return err
			}
			if kind == config.FreeSWITCH {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "written to %s; copy it to /etc/freeswitch/ringmaster, let FreeSWITCH read it (event_socket.conf.xml has the password), and\n"+
					"put each file where its first lines and dialplan/README.md say; then: fs_cli -x reloadxml, and restart for a new event socket\n", out)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "written to %s; copy it to /etc/asterisk/ringmaster, let Asterisk read it (ari.conf has the password), and\n"+
				"include each file from yours as its first lines say; then: asterisk -rx 'core restart gracefully'\n", out)
			return err
		},
	}
	render.Flags().StringVar(&file, "config", "config.yaml", "configuration file")
	render.Flags().StringVar(&out, "out", "", "folder that the files are written to")
	render.Flags().StringVar(&pbx, "pbx", "", "which exchange, where the configuration has several")
	_ = render.MarkFlagRequired("out")
	cmd := &cobra.Command{Use: "dialplan", Short: "the hooks in your exchange"}
	cmd.AddCommand(render)
	return cmd
}
