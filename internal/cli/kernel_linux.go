package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/ksyms"
)

func (a *app) kernelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "kernel", Short: "list kernel functions that can be traced",
		Args: noArgs, RunE: func(*cobra.Command, []string) error {
			return usageError("missing command: pidwire kernel list PATTERN")
		},
	}
	var asJSON, quiet bool
	list := &cobra.Command{
		Use:   "list [PATTERN...]",
		Short: "list kernel functions, with their arguments and the engine that would trace them",
		Long: `list names the functions of the running kernel that --functions PATTERN would trace, with
their arguments as the kernel's BTF has them.

  pidwire kernel list 'tcp_*'              by name
  pidwire kernel list '*@net/socket.c'     of that source file
  pidwire kernel list                      the default set of --tree`,
		RunE: func(_ *cobra.Command, patterns []string) error { return a.listFunctions(patterns, asJSON, quiet) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "JSON lines, one per function")
	list.Flags().BoolVarP(&quiet, "quiet", "q", false, "no messages on standard error")
	cmd.AddCommand(list)
	return cmd
}

// listFunctions prints a line for each function that matches the patterns.
func (a *app) listFunctions(patterns []string, asJSON, quiet bool) error {
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
	line := functionText
	if asJSON {
		line = functionJSON
	}
	for i := range functions {
		if err := line(a.stdout, &functions[i]); err != nil {
			return err
		}
	}
	return nil
}

func functionText(w io.Writer, f *bpf.Function) error {
	name := f.Name + f.Args
	if f.Module != "" {
		name += " [" + f.Module + "]"
	}
	_, err := fmt.Fprintf(w, "%-14s %s\n", f.Engine, name)
	return err
}

func functionJSON(w io.Writer, f *bpf.Function) error {
	return json.NewEncoder(w).Encode(struct {
		V        int    `json:"v"`
		Type     string `json:"type"`
		Function string `json:"function"`
		Module   string `json:"module,omitempty"`
		Args     string `json:"arguments,omitempty"`
		Engine   string `json:"engine"`
	}{1, "function", f.Name, f.Module, f.Args, f.Engine})
}
