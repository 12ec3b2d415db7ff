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
		Short: "a table of connections: who, with whom, state, bytes, packets, round-trip time",
		Long: `conns shows the sockets of processes in a table, as ss does for the host.

  pidwire conns 1234                 how they stand now
  pidwire conns nginx --watch        again each second, counted since it began
  pidwire conns -r nginx.pidwire     how they stood at the end of a recording

Bytes and packets of TCP are the kernel's own counts; those of other sockets
are counted by their packets, while watching.`,
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
	f.StringSliceVarP(&c.trace.pids, "pid", "p", nil, "attach to `PID` (repeat, or a list)")
	f.StringArrayVar(&c.trace.users, "user", nil, "every process of `USER`, as @USER")
	f.BoolVar(&c.trace.noFollow, "no-follow", false, "without children")
	f.StringArrayVarP(&c.files, "read", "r", nil, "of a recording, or of files as open takes them: `FILE`, or - for standard input (repeat)")
	c.in.add(f)
	f.DurationVar(&c.watch, "watch", 0, "again after so long, until Ctrl-C (1s where no time is given)")
	f.Lookup("watch").NoOptDefVal = "1s"
	f.DurationVar(&c.span, "for", 0, "with --watch: end after so long")
	f.BoolVar(&c.json, "json", false, "JSON lines, one object for each connection")
	f.BoolVarP(&c.all, "all", "a", false, "sockets that are not of IP too")
	f.BoolVar(&c.wide, "wide", false, "do not cut addresses to the width of the terminal")
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
		return usageError("--watch is for processes; a recording has one end")
	}
	if a.outside() {
		return a.twoRooms(ctx, allowed{in: c.files})
	}
	_, err := a.replay(ctx, &c.in, c.files, func(cfg *pipeline.Config, h wire.Header) error {
		cfg.Sinks = []sink.Sink{c.table(a.stdout, h)}
		return nil
	})
	return err
}
