package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/proc"
)

// connsSnaplen is what is kept of a packet that is only counted: its headers.
const connsSnaplen = 64

// connsLive shows the connections of processes: once, or while they live.
func (a *app) connsLive(cmd *cobra.Command, c *connsFlags, names []string) error {
	if c.watch == 0 && c.span != 0 {
		return usageError("--for is for --watch: without it the table is shown once")
	}
	if c.watch != 0 && c.watch < 100*time.Millisecond {
		return usageError("--watch=%v: at least 100ms", c.watch)
	}
	targets, err := a.targets(cmd, c.trace.pids, c.trace.users, names)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return usageError("no target: name a process, a pid, @user, :port or all, or -r FILE")
	}
	limitMemory()
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends us at once
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.span > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.span)
		defer cancel()
	}
	src, err := bpf.New(bpf.Options{
		Config: bpf.Config{
			Self: uint32(os.Getpid()), Follow: !c.trace.noFollow, NoCalls: true, Packets: true, Snaplen: connsSnaplen,
		},
		Targets: targets, Tool: Version,
		Endless: c.watch > 0 && slices.ContainsFunc(targets, func(t proc.Target) bool { return t.Later() }),
	})
	if err != nil {
		return explain(err)
	}
	defer src.Close()
	for _, m := range src.Missing() {
		fmt.Fprintf(a.stderr, "pidwire: %s\n", clean.Text(m))
	}
	src.Started = func() error {
		if err := src.Look(); err != nil {
			return err
		}
		if c.watch == 0 {
			cancel() // what is in the ring now is all
			return nil
		}
		go look(ctx, src, c.watch)
		return nil
	}
	_, err = pipeline.Run(ctx, pipeline.Config{
		Source: src, Clock: bpf.Clock, Sinks: []sink.Sink{c.table(a.stdout, src.Header())}, Wait: true,
	})
	if err != nil {
		return explain(err)
	}
	return nil
}

// look asks how the connections stand, a little before each table.
func look(ctx context.Context, src *bpf.Source, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if src.Look() != nil {
				return // the iterator is closed: the run ends
			}
		}
	}
}
