package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"ringmaster/config"
	"ringmaster/internal/app"
)

// integration are the scopes of a key without a role: what a CRM needs.
func integration() []string {
	return []string{"tasks:write", "tasks:read", "contacts:write", "contacts:read", "recordings:read"}
}

func keyCommand() *cobra.Command {
	var file, tenant string
	cmd := &cobra.Command{Use: "key", Short: "API keys: a role or scopes, one tenant, an end"}
	cmd.PersistentFlags().StringVar(&file, "config", "config.yaml", "configuration file")
	cmd.PersistentFlags().StringVar(&tenant, "tenant", "", "tenant; empty = the configuration's")
	with := func(cmd *cobra.Command, f func(k *app.Keys) error) error {
		c, err := config.Load(file)
		if err != nil {
			return err
		}
		st, err := app.OpenStore(cmd.Context(), c, logger("error", "text"))
		if err != nil {
			return err
		}
		defer func() { _ = st.Close() }()
		if tenant == "" {
			tenant = c.Tenant.ID
		}
		return f(&app.Keys{Store: st, Tenant: tenant, By: "cli/" + os.Getenv("USER")})
	}
	cmd.AddCommand(keyCreate(with), keyList(with), keyRevoke(with))
	return cmd
}

type withKeys func(cmd *cobra.Command, f func(k *app.Keys) error) error

func keyCreate(with withKeys) *cobra.Command {
	var name, role string
	var scopes []string
	var expires time.Duration
	var reveal bool
	cmd := &cobra.Command{
		Use: "create", Short: "make an API key; it is shown once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, func(k *app.Keys) error {
				if role == "" && len(scopes) == 0 {
					scopes = integration()
				}
				key, err := k.Create(cmd.Context(), name, role, scopes, expires, reveal)
				if err == nil {
					fmt.Println(key)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "api", "what the key is for; it stands in the audit log")
	cmd.Flags().StringVar(&role, "role", "", "admin, campaign_manager, script_author, agent or auditor (docs/access.md)")
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "scopes besides the role's; * for all of the tenant, system:* for what reaches beyond it; neither role nor scope: "+strings.Join(integration(), ","))
	cmd.Flags().DurationVar(&expires, "expires", 0, "validity; 0 = until revoked")
	cmd.Flags().BoolVar(&reveal, "allow-reveal", false, "may see a telephone number in full, for a reason")
	return cmd
}

func keyList(with withKeys) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "the tenant's keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, func(k *app.Keys) error {
				list, err := k.List(cmd.Context())
				if err != nil {
					return err
				}
				out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(out, "ID\tNAME\tROLE\tSCOPES\tEXPIRES\tREVOKED\tLAST USED")
				for _, key := range list {
					_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", key.ID, key.Name, dash(string(key.Role)), dash(strings.Join(key.Scopes, ",")),
						day(key.ExpiresAt), day(key.RevokedAt), day(key.LastUsedAt))
				}
				return out.Flush()
			})
		},
	}
}

func keyRevoke(with withKeys) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "a key ends now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return fmt.Errorf("the ID of a key, as `ringmaster key list` prints it: %w", err)
			}
			return with(cmd, func(k *app.Keys) error { return k.Revoke(cmd.Context(), id) })
		},
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}
