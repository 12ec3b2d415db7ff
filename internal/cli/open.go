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
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, err := a.openFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	src, err := replay.New(f)
	if err != nil {
		return &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
	}
	s, closeOut, err := v.sink(a, a.stdout, src.Header())
	if err != nil {
		return err
	}
	began := time.Now()
	res, err := pipeline.Run(ctx, pipeline.Config{
		Source: src, Sinks: []sink.Sink{s}, Keep: v.keep(src.Header()), Limit: v.count, Wait: true,
	})
	closeErr := closeOut()
	if !v.quiet {
		a.counts(res, time.Since(began))
	}
	var cut *wire.CutError
	switch {
	case errors.As(err, &cut), errors.Is(err, replay.ErrNotClosed):
		// Everything that is there has been shown: worth a word, no failure.
		fmt.Fprintf(a.stderr, "pidwire: %s: %v\n", clean.Text(name), err)
	case err != nil:
		return &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
	}
	if v.strict && lostAny(res) {
		a.code = exitLost
	}
	return closeErr
}

func codeOf(err error) int {
	if damaged(err) {
		return exitDamaged
	}
	return exitFailure
}
