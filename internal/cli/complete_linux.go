package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/source/proc"
)

// completeTargets completes the pids and names of the running processes.
func completeTargets(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if cmd.ArgsLenAtDash() >= 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	pids, err := proc.Default.PIDs()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []string
	seen := map[string]bool{}
	for _, pid := range pids {
		p, err := proc.Default.Read(pid)
		if err != nil || p.Exe == "" {
			continue
		}
		name := clean.Text(p.Name())
		if n := fmt.Sprint(pid); strings.HasPrefix(n, begun) {
			words = append(words, n+"\t"+name)
		}
		if strings.HasPrefix(name, begun) && !seen[name] {
			seen[name] = true
			words = append(words, name)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
