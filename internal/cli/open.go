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
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/bundle"
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
	var in filesFlags
	cmd := &cobra.Command{
		Use:   "open FILE... [flags]",
		Short: "print recordings, captures, audit logs, what strace and tcpdump printed, as one timeline; needs no root, works on any system",
		Long: `open prints what is in files, whoever made them. Several become one timeline, in
which calls, packets and audit records of one connection stand together.

  pidwire open curl.pidwire
  pidwire open web.strace web.pcap /var/log/audit/audit.log
  tcpdump -l -nn port 443 | pidwire open - web.strace

What a file is, its content says: recordings of pidwire, pcapng, pcap, audit
logs (also as ausearch prints them), the output of strace and of tcpdump; also
compressed by gzip. Clocks that tell no date or zone are set by events that
several files have; what was found is said, and can be set by hand.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("open takes a FILE or several, or - for standard input")
			}
			in.quiet = v.quiet
			return a.open(cmd.Context(), &v, &w, &in, args)
		},
	}
	in.add(cmd.Flags())
	w.add(cmd.Flags())
	v.add(cmd)
	return cmd
}

func (a *app) open(parent context.Context, v *viewFlags, w *writeFlags, in *filesFlags, names []string) error {
	if err := v.parse(); err != nil {
		return err
	}
	if err := w.check(true); err != nil {
		return err
	}
	closeOut := func() error { return nil }
	out := &writer{}
	began := time.Now()
	res, err := a.replay(parent, in, names, func(cfg *pipeline.Config, h wire.Header) error {
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

// replay runs files through the sinks that set adds: several as one timeline. A
// file that is cut is said to be so, and no error: everything that is there has
// been shown. The result is nil where nothing was read.
func (a *app) replay(parent context.Context, in *filesFlags, names []string, set func(*pipeline.Config, wire.Header) error) (*pipeline.Result, error) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	defer stop()
	src, closing, err := a.files(ctx, in, names)
	if err != nil {
		return nil, err
	}
	defer closing()
	cfg := pipeline.Config{Source: src, Wait: true}
	if err := set(&cfg, src.Header()); err != nil {
		return nil, err
	}
	res, err := pipeline.Run(ctx, cfg)
	return &res, a.ended(names[0], err)
}

// ended says how the reading of files ended, and returns what of that is an error.
func (a *app) ended(name string, err error) error {
	var list []error
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range many.Unwrap() {
			list = append(list, a.ended(name, err))
		}
		return errors.Join(list...)
	}
	var of *bundle.ErrFile
	if errors.As(err, &of) {
		name, err = of.Name, of.Err
	}
	var cut *wire.CutError
	switch {
	case errors.As(err, &cut), errors.Is(err, replay.ErrNotClosed):
		fmt.Fprintf(a.stderr, "pidwire: %s: %v\n", clean.Text(name), err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		// A file of ours that ends early says so itself.
		return &exitError{code: exitDamaged, err: fmt.Errorf("%s: what was compressed is cut or damaged (%w); all before that was read", name, err)}
	case err != nil:
		return &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
	}
	return nil
}

// files opens files as one source; the caller closes it.
func (a *app) files(ctx context.Context, in *filesFlags, names []string) (pipeline.Source, func() error, error) {
	if err := in.parse(names); err != nil {
		return nil, nil, err
	}
	if len(names) == 1 && !in.given() {
		return a.file(names[0])
	}
	var list []bundle.File
	for _, name := range names {
		if name == "-" && slices.ContainsFunc(list, func(f bundle.File) bool { return f.Once }) {
			return nil, nil, usageError("standard input (-) can be read once")
		}
		shift, shifted := in.shifts[name]
		list = append(list, bundle.File{
			Name: name, Once: name == "-", Shift: shift, Shifted: shifted,
			Open: func() (bundle.Source, func() error, error) { return a.file(name) },
		})
	}
	b, err := bundle.New(ctx, list, bundle.Options{Zone: in.zone, Date: in.day, Dated: in.date != ""})
	var of *bundle.ErrFile
	switch {
	case errors.As(err, &of):
		return nil, nil, of.Err // which has its name
	case err != nil:
		return nil, nil, err
	}
	if !in.quiet {
		for _, n := range b.Notes() {
			fmt.Fprintf(a.stderr, "pidwire: %s\n", clean.Text(n))
		}
	}
	return b, b.Close, nil
}

// file opens a file by what it is.
func (a *app) file(name string) (pipeline.Source, func() error, error) {
	f, err := a.openFile(name)
	if err != nil {
		return nil, nil, err
	}
	src, err := source(f, name)
	if err != nil {
		f.Close()
		e := &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
		if errors.Is(err, wire.ErrNotRecording) {
			e.hint = []string{"what can be read: recordings of pidwire, pcapng, pcap, logs of audit, the output of strace and of tcpdump; and these compressed by gzip"}
		}
		return nil, nil, e
	}
	return src, f.Close, nil
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
