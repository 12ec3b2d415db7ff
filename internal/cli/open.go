package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/wire"
)

func (a *app) openCommand() *cobra.Command {
	var v viewFlags
	cmd := &cobra.Command{
		Use:   "open FILE [flags]",
		Short: "print a recording as it was seen live; needs no root, works on any system",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("open takes one FILE, or - for standard input")
			}
			return a.open(cmd.Context(), &v, args[0])
		},
	}
	v.add(cmd)
	return cmd
}

func (a *app) open(parent context.Context, v *viewFlags, name string) error {
	if err := v.parse(); err != nil {
		return err
	}
	closeOut := func() error { return nil }
	began := time.Now()
	res, err := a.replay(parent, name, func(cfg *pipeline.Config, h wire.Header) error {
		s, done, err := v.sink(a, a.stdout, h)
		if err != nil {
			return err
		}
		closeOut = done
		cfg.Sinks, cfg.Keep, cfg.Limit = []sink.Sink{s}, v.keep(h), v.count
		return nil
	})
	closeErr := closeOut()
	if res != nil && !v.quiet {
		a.counts(*res, time.Since(began))
	}
	if err != nil {
		return err
	}
	if v.strict && lostAny(*res) {
		a.code = exitLost
	}
	return closeErr
}

// replay runs a file through the sinks that set adds. A file that is cut is
// said to be so, and no error: everything that is there has been shown. The
// result is nil where nothing was read.
func (a *app) replay(parent context.Context, name string, set func(*pipeline.Config, wire.Header) error) (*pipeline.Result, error) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, err := a.openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := replay.New(f)
	if err != nil {
		return nil, &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
	}
	cfg := pipeline.Config{Source: src, Wait: true}
	if err := set(&cfg, src.Header()); err != nil {
		return nil, err
	}
	res, err := pipeline.Run(ctx, cfg)
	var cut *wire.CutError
	switch {
	case errors.As(err, &cut), errors.Is(err, replay.ErrNotClosed):
		fmt.Fprintf(a.stderr, "pidwire: %s: %v\n", clean.Text(name), err)
	case err != nil:
		return &res, &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
	}
	return &res, nil
}

func codeOf(err error) int {
	if damaged(err) {
		return exitDamaged
	}
	return exitFailure
}
