package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/collect"
	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/sandbox"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// connsSnaplen is the number of bytes captured of a packet, of which only the headers are needed.
const connsSnaplen = 64

// connsLive shows the connections of processes: once, or repeatedly with --watch.
func (a *app) connsLive(cmd *cobra.Command, c *connsFlags, names []string) error {
	if c.watch == 0 && c.span != 0 {
		return usageError("--for needs --watch: otherwise the table is shown once")
	}
	if c.watch == 0 && c.said {
		return usageError("--exchanges needs --watch: nothing is exchanged while the table is shown once")
	}
	if c.watch != 0 && c.watch < 100*time.Millisecond {
		return usageError("--watch=%v: at least 100ms", c.watch)
	}
	if a.in != nil {
		return a.connsView(cmd.Context(), c)
	}
	targets, err := a.targets(cmd, c.trace.pids, c.trace.users, names)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return usageError("no target: name a process, a pid, @user, :port or all, or -r FILE")
	}
	limitMemory()
	e := endingsOf(cmd.Context())
	defer e.stop()
	rest, ctx, err := a.startRest(e, allowed{}, nil)
	if err != nil {
		return err
	}
	switch err := a.connsWatch(ctx, rest, c, targets); {
	case errors.Is(err, errRest), err != nil && rest.Unsent() > 0:
	case err != nil:
		rest.Kill()
		return err
	}
	a.code = rest.finish()
	return nil
}

// connsWatch watches the connections, and sends the records to the unprivileged process.
func (a *app) connsWatch(ctx context.Context, rest *over, c *connsFlags, targets []proc.Target) error {
	defer rest.Cut() // no effect after End
	ctx, watching := spanOf(ctx, c.span)
	defer watching.stop()
	if _, err := ringWithin(bpf.DefaultRing, ownMemoryWith(c.said), proc.Default.MemoryRoom); err != nil {
		return err
	}
	config := bpf.Config{Self: uint32(os.Getpid()), Follow: !c.trace.noFollow, NoCalls: true, Packets: true, Snaplen: connsSnaplen}
	if c.said {
		config.NoCalls, config.StrLen = false, connsSnaplen
		config.Payload, _ = payloadSize("")
	}
	src, err := collect.Open(collect.Options{
		Config:  config,
		Targets: targets, Tool: Version, Never: []uint32{uint32(rest.PID())},
		Endless: c.watch > 0 && slices.ContainsFunc(targets, func(t proc.Target) bool { return t.Later() }),
	})
	if err != nil {
		return explain(err)
	}
	defer src.Close()
	for _, m := range src.Missing() {
		fmt.Fprintf(a.stderr, "pidwire: %s\n", clean.Text(m))
	}
	if rest.Header(src.Header()) != nil {
		return errRest
	}
	src.OnStart(func() error {
		if err := rest.ready(ctx); err != nil {
			return err
		}
		if err := sandbox.Collector(append(keptCaps(allowed{}), src.NeededCaps()...)...); err != nil {
			fmt.Fprintf(a.stderr, "pidwire: %v\n", err)
		}
		if err := src.Look(); err != nil {
			return err
		}
		if c.watch == 0 {
			watching.stop() // only the records that are in the ring now are needed
			return nil
		}
		watching.begin()
		go look(ctx, src, c.watch)
		return nil
	})
	if err := src.Run(ctx, func(r wire.Record) error { return rest.Emit(r, collect.Clock) }); err != nil {
		return explain(err)
	}
	rest.End()
	return nil
}

// connsView prints the table from the records that the collector sends.
func (a *app) connsView(ctx context.Context, c *connsFlags) error {
	limitMemory()
	if c.said {
		limitMemoryTo(proto.Bytes)
	}
	src, err := a.stream()
	if src == nil {
		return err
	}
	cfg := pipeline.Config{Source: src, Clock: src.Clock, Sinks: []sink.Sink{c.table(a.stdout, src.Header())}, Wait: true, Wrote: a.in.Beat, Messages: c.said}
	a.confine(false)
	if err := a.in.Ready(); err != nil {
		return err
	}
	_, err = pipeline.Run(ctx, cfg)
	return err
}

// look requests the state of the connections at each interval, until ctx is done.
func look(ctx context.Context, src collect.Live, every time.Duration) {
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
