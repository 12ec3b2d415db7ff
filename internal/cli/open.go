package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
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

What a file is, its content says: recordings of pidwire, pcapng, pcap, snoop,
audit logs (also as ausearch prints them), the output of strace, truss, tcpdump,
and of kernel tracers (SystemTap, ftrace's function_graph, DTrace); also
compressed by gzip or zstd. The files of strace -ff are one. Clocks that tell no date or zone are set by events that
several files have; what was found is said, and can be set by hand.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("open takes a FILE or several, or - for standard input")
			}
			in.dates = v.json || v.time == "epoch"
			in.resolve = v.resolve && !v.numeric
			in.quiet, in.lines = v.quiet, !v.summary && v.output == "" && (w.file == "" || v.json)
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
	if a.outside() {
		return a.twoRooms(parent, allowed{in: names, out: *w, lines: v.output})
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
	if res != nil && !v.quiet && !errors.Is(err, syscall.EPIPE) {
		a.counts(*res, time.Since(began), v.drops)
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
	ctx, stop := a.interrupted(parent)
	defer stop()
	a.over = ctx.Done()
	if err := in.parse(names); err != nil {
		return nil, err
	}
	in.bar = a.watched(in, names)
	defer in.bar.end()
	// Tables are bounded to some 30 MiB at most; garbage is collected in time to keep the
	// process below 64 MiB, with the pages of the program itself.
	debug.SetMemoryLimit(40 << 20)
	a.confine(in.resolve)
	src, closing, err := a.files(ctx, in, names)
	if err != nil && ctx.Err() != nil {
		return &pipeline.Result{}, nil // it was ended before there was something to be read
	}
	if err != nil {
		return nil, err
	}
	defer closing()
	cfg := pipeline.Config{Source: src, Wait: true}
	if _, several := src.(*bundle.Bundle); several {
		cfg.Tables = bundle.Left
	}
	if err := set(&cfg, src.Header()); err != nil {
		return nil, err
	}
	a.wrote(&cfg)
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
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = cutOff(err)
		fallthrough
	case errors.As(err, new(*compressedError)):
		return &exitError{code: exitDamaged, err: fmt.Errorf("%s: %w; all before that was read", name, err)}
	case err != nil:
		return &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
	}
	return nil
}

// files opens files as one source; the caller closes it.
func (a *app) files(ctx context.Context, in *filesFlags, names []string) (pipeline.Source, func() error, error) {
	groups := a.groups(in, names)
	if len(groups) == 1 && !in.given() {
		src, closing, err := a.group(in, groups[0])
		if err == nil && in.dates && !in.quiet {
			switch src.Header().Clock {
			case wire.ClockDay:
				fmt.Fprintf(a.stderr, "pidwire: %s: times of day alone, taken as of 1970-01-01 UTC (--date, --tz)\n", clean.Text(groups[0].name))
			case wire.ClockDate:
				fmt.Fprintf(a.stderr, "pidwire: %s: times without a zone, taken as UTC (--tz)\n", clean.Text(groups[0].name))
			case wire.ClockStart, wire.ClockNone:
				fmt.Fprintf(a.stderr, "pidwire: %s: no times of day: what is shown counts from 1970-01-01 UTC\n", clean.Text(groups[0].name))
			}
		}
		return src, closing, err
	}
	var list []bundle.File
	for _, g := range groups {
		name := g.name
		if name == "-" && slices.ContainsFunc(list, func(f bundle.File) bool { return f.Once }) {
			return nil, nil, usageError("standard input (-) can be read once")
		}
		shift, shifted := in.shifts[name]
		list = append(list, bundle.File{
			Name: name, Once: name == "-", Shift: shift, Shifted: shifted,
			Open: func() (bundle.Source, func() error, error) { return a.group(in, g) },
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

// group is a file, or those of one run of strace -ff.
type group struct {
	name  string
	files []string
}

// groups puts the files of strace -ff together; one that has a --shift stays by
// itself.
func (a *app) groups(in *filesFlags, names []string) (list []group) {
	at := map[string]int{}
	for _, name := range names {
		prefix, ok := importer.OfThread(name)
		if _, shifted := in.shifts[name]; !ok || shifted || !a.isStrace(name) {
			list = append(list, group{name, []string{name}})
			continue
		}
		i, known := at[prefix]
		if !known {
			i = len(list)
			at[prefix] = i
			list = append(list, group{name: name})
		} else {
			list[i].name = prefix + "*"
		}
		list[i].files = append(list[i].files, name)
	}
	return list
}

// isStrace reports whether strace wrote a file.
func (a *app) isStrace(name string) bool {
	f, err := a.openFile(name)
	if err != nil {
		return false // opening it again says so
	}
	defer f.Close()
	head := make([]byte, importer.SniffBytes)
	n, _ := io.ReadFull(f, head)
	return importer.Sniff(head[:n]) == importer.Strace
}

// group opens a file, or several as one.
func (a *app) group(in *filesFlags, g group) (pipeline.Source, func() error, error) {
	if len(g.files) == 1 {
		return a.file(in, g.files[0])
	}
	var list []*importer.Source
	var closers []func() error
	closeAll := func() error {
		var errs []error
		for _, c := range closers {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
	for _, name := range g.files {
		src, closing, err := a.file(in, name)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		closers = append(closers, closing)
		if s, ok := src.(*importer.Source); ok {
			list = append(list, s)
		}
	}
	return importer.Merge(list, g.name), closeAll, nil
}

// file opens a file by what it is.
func (a *app) file(in *filesFlags, name string) (pipeline.Source, func() error, error) {
	f, err := a.openFile(name)
	if err != nil {
		return nil, nil, err
	}
	src, err := source(in.bar.reader(f), name)
	if err != nil {
		f.Close()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = cutOff(err)
		}
		e := &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
		if errors.Is(err, wire.ErrNotRecording) {
			e.hint = []string{"what can be read: recordings of pidwire, pcapng, pcap, snoop, logs of audit, the output of strace, truss, tcpdump and of kernel tracers (SystemTap, ftrace, DTrace); and these compressed by gzip or zstd"}
		}
		return nil, nil, e
	}
	return src, f.Close, nil
}

// compressedError says that a file cannot be decompressed from here on.
type compressedError struct{ err error }

func (e *compressedError) Error() string {
	return fmt.Sprintf("what was compressed is cut or damaged (%v)", e.err)
}
func (e *compressedError) Unwrap() error { return e.err }

// cutOff makes err a *compressedError, if it is none.
func cutOff(err error) error {
	if errors.As(err, new(*compressedError)) {
		return err
	}
	return &compressedError{err}
}

// errWindow says what to do with a file that needs much memory.
var errWindow = errors.New("zstd with a window of more than 8 MiB (--long, --ultra): zstd -dc --long=27 FILE | pidwire open - reads it")

// decompressed marks the errors of a decompressor as such.
type decompressed struct{ r io.Reader }

func (d decompressed) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return n, errWindow
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF { // a recording that is cut says so itself
		err = &compressedError{err}
	}
	return n, err
}

// decompress returns what a file holds that begins with head, and whether it is
// compressed.
func decompress(r io.Reader, head []byte) (io.Reader, bool, error) {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}): // RFC 1952
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, true, &compressedError{err}
		}
		return decompressed{z}, true, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878
		// What zstd makes up to level 19, unless it is asked for more (--long, --ultra):
		// the window is memory that a few bytes of a file can ask for.
		const window = 8 << 20
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, true, &compressedError{err}
		}
		return decompressed{z}, true, nil
	}
	return r, false, nil
}

// source reads a file by what it is, whatever its name.
func source(r io.Reader, name string) (pipeline.Source, error) {
	b := bufio.NewReaderSize(r, 4*importer.SniffBytes)
	head, _ := b.Peek(12) // an error comes again with the first read
	plain, compressed, err := decompress(b, head)
	if err != nil {
		return nil, err
	}
	if compressed {
		b = bufio.NewReaderSize(plain, 4*importer.SniffBytes)
		if head, err = b.Peek(12); len(head) == 0 && err != nil && err != io.EOF {
			if errors.Is(err, errWindow) {
				return nil, err
			}
			return nil, cutOff(err)
		}
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
