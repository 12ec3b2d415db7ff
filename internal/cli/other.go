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

// connsLive returns an error, as watching needs Linux.
func (a *app) connsLive(*cobra.Command, *connsFlags, []string) error { return needsLinux() }

func completeTargets(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// On other systems there is only one process, because nothing can be watched and no privilege is needed.

func isRest(string) bool { return false }

// inside is not used on other systems, as there is no second process.
type inside struct{}

func enter() (*inside, error)                          { return nil, needsLinux() }
func (*inside) open(string) (*os.File, error)          { return nil, needsLinux() }
func (*inside) create(place) (*os.File, error)         { return nil, needsLinux() }
func (*inside) size(string) (bytes int64, ok bool)     { return 0, false }
func (a *app) outside() bool                           { return false }
func (a *app) confine(bool)                            {}
func (a *app) wrote(*pipeline.Config)                  {}
func (a *app) twoRooms(context.Context, allowed) error { return needsLinux() }

// allowed holds the files of the command line.
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

// shimName cannot be the name of a program: no commands are started on other systems.
const shimName = "\x00"

func shim([]string, io.Writer) int { return exitFailure }

// liveCommands returns stubs of the verbs, which report that they need Linux.
func (a *app) liveCommands() []*cobra.Command {
	var list []*cobra.Command
	for _, verb := range []string{"trace", "doctor", "demo", "audit-rule"} {
		list = append(list, &cobra.Command{
			Use: verb, Short: "needs Linux", DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return needsLinux() },
		})
	}
	list = append(list, toldFiles("story", "print look-ups, connections, requests with their answers, and failures only, a line each", storyHelp, a.tellFiles))
	return append(list, toldFiles("why", "name the cause of what is slow or failing", whyHelp, a.judgeFiles))
}

// toldFiles returns a verb that reads files.
func toldFiles(verb, short, long string, files func(*cobra.Command, *viewFlags, *filesFlags, []string) error) *cobra.Command {
	var v viewFlags
	var in filesFlags
	cmd := &cobra.Command{
		Use: verb + " FILE... [flags]", Short: short, Long: long, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return files(cmd, &v, &in, args) },
	}
	v.add(cmd)
	v.addWhy(verb, cmd.Flags())
	in.add(cmd.Flags())
	return cmd
}
