package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/ksyms"
)

func (a *app) kernelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "kernel", Short: "what of the kernel can be looked at",
		Args: noArgs, RunE: func(*cobra.Command, []string) error { return usageError("kernel what? pidwire kernel list PATTERN") },
	}
	var asJSON, quiet bool
	list := &cobra.Command{
		Use:   "list [PATTERN...]",
		Short: "list functions of the kernel, with their arguments and the engine that would trace them",
		Long: `list names the functions of the running kernel that --functions PATTERN would trace, with
their arguments as the kernel's BTF has them.

  pidwire kernel list 'tcp_*'              by name
  pidwire kernel list '*@net/socket.c'     of that source file
  pidwire kernel list                      the default set of --tree`,
		RunE: func(_ *cobra.Command, patterns []string) error {
			if len(patterns) == 0 {
				patterns = []string{ksyms.Default}
			}
			functions, note, err := bpf.Functions(patterns)
			if errors.Is(err, ksyms.ErrPattern) {
				return usageError("%v", err)
			}
			if err != nil {
				return explain(err)
			}
			if note != "" && !quiet {
				fmt.Fprintf(a.stderr, "pidwire: %s\n", note)
			}
			enc := json.NewEncoder(a.stdout)
			for _, f := range functions {
				if asJSON {
					if err := enc.Encode(struct {
						V        int    `json:"v"`
						Type     string `json:"type"`
						Function string `json:"function"`
						Module   string `json:"module,omitempty"`
						Args     string `json:"arguments,omitempty"`
						Engine   string `json:"engine"`
					}{1, "function", f.Name, f.Module, f.Args, f.Engine}); err != nil {
						return err
					}
					continue
				}
				name := f.Name + f.Args
				if f.Module != "" {
					name += " [" + f.Module + "]"
				}
				if _, err := fmt.Fprintf(a.stdout, "%-14s %s\n", f.Engine, name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	list.Flags().BoolVar(&asJSON, "json", false, "JSON lines, one a function")
	list.Flags().BoolVarP(&quiet, "quiet", "q", false, "no words on standard error")
	cmd.AddCommand(list)
	return cmd
}
