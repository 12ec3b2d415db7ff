//go:build !linux

package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"
)

// connsLive says what it cannot do here.
func (a *app) connsLive(*cobra.Command, *connsFlags, []string) error { return needsLinux() }

func completeTargets(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func needsLinux() error {
	return &exitError{
		code: exitPrivilege, err: errors.New("watching processes needs Linux"),
		hint: []string{"recordings can be read here: pidwire open FILE.pidwire"},
	}
}

// shimName is no program's name: there are no commands to start here.
const shimName = "\x00"

func shim([]string, io.Writer) int { return exitFailure }

// liveCommands are there in name, so that what they cannot do here is said.
func (a *app) liveCommands() []*cobra.Command {
	var list []*cobra.Command
	for _, verb := range []string{"trace", "doctor", "demo", "audit-rule"} {
		list = append(list, &cobra.Command{
			Use: verb, Short: "needs Linux", DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return needsLinux() },
		})
	}
	return list
}
