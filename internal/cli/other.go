//go:build !linux

package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/pipeline"
)

// connsLive says what it cannot do here.
func (a *app) connsLive(*cobra.Command, *connsFlags, []string) error { return needsLinux() }

func completeTargets(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// On other systems one process does all: there is nothing to be watched, and no privilege.

func isRest(string) bool { return false }

// inside is the process that opens files for another one; here there is none.
type inside struct{}

func enter() (*inside, error)                          { return nil, needsLinux() }
func (*inside) open(string) (*os.File, error)          { return nil, needsLinux() }
func (*inside) create(place) (*os.File, error)         { return nil, needsLinux() }
func (*inside) size(string) (bytes int64, ok bool)     { return 0, false }
func (a *app) outside() bool                           { return false }
func (a *app) confine(bool)                            {}
func (a *app) wrote(*pipeline.Config)                  {}
func (a *app) twoRooms(context.Context, allowed) error { return needsLinux() }

// allowed are the files of the command line.
type allowed struct {
	in    []string
	out   writeFlags
	lines string
}

func (a *app) interrupted(parent context.Context) (context.Context, func()) {
	return signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
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
