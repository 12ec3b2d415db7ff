package cli

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/rotate"
	"github.com/pidwire/pidwire/internal/source/capture"
	"github.com/pidwire/pidwire/internal/source/importer"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/wire"
)

func (a *app) openCommand() *cobra.Command {
	var v viewFlags
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "open FILE [flags]",
		Short: "print a recording, a capture, an audit log or what strace printed; needs no root, works on any system",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("open takes one FILE, or - for standard input")
			}
			return a.open(cmd.Context(), &v, &w, args[0])
		},
	}
	w.add(cmd.Flags())
	v.add(cmd)
	return cmd
}

func (a *app) open(parent context.Context, v *viewFlags, w *writeFlags, name string) error {
	if err := v.parse(); err != nil {
		return err
	}
	if err := w.check(true); err != nil {
		return err
	}
	closeOut := func() error { return nil }
	out := &writer{}
	began := time.Now()
	res, err := a.replay(parent, name, func(cfg *pipeline.Config, h wire.Header) error {
		cfg.Keep, cfg.Limit = v.keep(h), v.count
		var err error
		if out, err = w.open(a, cfg, h, 0, v.filter); err != nil {
			return err
		}
		if w.file != "" && v.output == "" && !v.json && !v.summary {
			return nil
		}
		s, done, err := v.sink(a, a.stdout, h)
		if err != nil {
			return err
		}
		closeOut, cfg.Sinks = done, append(cfg.Sinks, s)
		return nil
	})
	closeErr := errors.Join(closeOut(), out.close())
	if res != nil && !v.quiet {
		a.counts(*res, time.Since(began))
	}
	if err != nil && !errors.Is(err, rotate.ErrDone) {
		return err
	}
	if w.file != "" {
		out.told(a)
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
	src, err := source(f, name)
	if err != nil {
		e := &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
		if errors.Is(err, wire.ErrNotRecording) {
			e.hint = []string{"what can be read: recordings of pidwire, pcapng, pcap, logs of audit, the output of strace; and these compressed by gzip"}
		}
		return nil, e
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
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		// A file of ours that ends early says so itself.
		return &res, &exitError{code: exitDamaged, err: fmt.Errorf("%s: what was compressed is cut or damaged (%w); all before that was read", name, err)}
	case err != nil:
		return &res, &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
	}
	return &res, nil
}

// source reads a file by what it is, whatever its name.
func source(r io.Reader, name string) (pipeline.Source, error) {
	b := bufio.NewReaderSize(r, 4*importer.SniffBytes)
	head, _ := b.Peek(12)                          // an error comes again with the first read
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) { // RFC 1952
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		b = bufio.NewReaderSize(z, 4*importer.SniffBytes)
		head, _ = b.Peek(12)
	}
	if capture.Sniff(head) {
		return capture.New(b, name)
	}
	// What has come so far: standard input may be slow.
	head, _ = b.Peek(min(b.Buffered(), importer.SniffBytes))
	if kind := importer.Sniff(head); kind != importer.Unknown {
		return importer.New(b, name, kind)
	}
	return replay.New(b)
}

func codeOf(err error) int {
	if damaged(err) {
		return exitDamaged
	}
	return exitFailure
}
