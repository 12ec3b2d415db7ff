package cli

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/conns"
	"github.com/pidwire/pidwire/internal/wire"
)

// connsFlags are the flags of the verb conns.
type connsFlags struct {
	trace traceTargets
	files []string
	in    filesFlags
	watch time.Duration
	span  time.Duration
	json  bool
	all   bool
	wide  bool
	said  bool
}

// traceTargets are the flags that select the targets.
type traceTargets struct {
	pids     []string
	users    []string
	noFollow bool
}

func (a *app) connsCommand() *cobra.Command {
	var c connsFlags
	cmd := &cobra.Command{
		Use:   "conns [TARGET... | -r FILE] [flags]",
		Short: "show connections as a table: process, peer, state, bytes, packets, round-trip time",
		Long: `conns shows the sockets of processes in a table, as ss does for the host.

  pidwire conns 1234                 their current state
  pidwire conns nginx --watch        refresh every second; counts since the start
  pidwire conns nginx --watch --exchanges
                                     also what was asked, how often, and how long it took
  pidwire conns -r nginx.pidwire     their state at the end of a recording, and its exchanges

Bytes and packets of TCP are counted by the kernel; those of other sockets are
counted by their packets, while pidwire watches.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(c.files) > 0 {
				if len(c.trace.pids) > 0 || len(c.trace.users) > 0 {
					return usageError("conns shows files or targets, not both")
				}
				c.files = append(c.files, args...)
				return a.connsOf(cmd.Context(), &c)
			}
			return a.connsLive(cmd, &c, args)
		},
		ValidArgsFunction: completeTargets,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVarP(&c.trace.pids, "pid", "p", nil, "attach to `PID` (repeatable, or a list)")
	f.StringArrayVar(&c.trace.users, "user", nil, "all processes of `USER`, same as @USER")
	f.BoolVar(&c.trace.noFollow, "no-follow", false, "do not follow children")
	f.StringArrayVarP(&c.files, "read", "r", nil, "read `FILE`, any file that open reads, or - for standard input (repeatable)")
	c.in.add(f)
	f.DurationVar(&c.watch, "watch", 0, "refresh at this interval, until Ctrl-C")
	f.Lookup("watch").NoOptDefVal = "1s"
	f.DurationVar(&c.span, "for", 0, "with --watch: stop after this time")
	f.BoolVar(&c.said, "exchanges", false, "with --watch: also trace calls, and count requests and answers by protocol, peer and name")
	f.BoolVar(&c.json, "json", false, "JSON lines, one object per connection")
	f.BoolVarP(&c.all, "all", "a", false, "include sockets other than IP")
	f.BoolVar(&c.wide, "wide", false, "do not truncate addresses to the width of the terminal")
	return cmd
}

// table returns the sink that prints the table.
func (c *connsFlags) table(w io.Writer, h wire.Header) *conns.Sink {
	o := conns.Options{Live: len(c.files) == 0, Every: c.watch, Now: time.Now, JSON: c.json, All: c.all, Start: int64(h.Wall)}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Clear = c.watch > 0
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && !c.wide {
			o.Wide = width
		}
	}
	return conns.New(w, o)
}

func (a *app) connsOf(ctx context.Context, c *connsFlags) error {
	if c.watch > 0 {
		return usageError("--watch needs processes, not a recording")
	}
	if a.outside() {
		return a.twoRooms(ctx, allowed{in: c.files})
	}
	_, err := a.replay(ctx, &c.in, c.files, func(cfg *pipeline.Config, h wire.Header) error {
		cfg.Sinks, cfg.Messages = []sink.Sink{c.table(a.stdout, h)}, true
		return nil
	})
	return err
}
