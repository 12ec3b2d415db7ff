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
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/rotate"
	"github.com/pidwire/pidwire/internal/source/capture"
	"github.com/pidwire/pidwire/internal/source/importer"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/why"
	"github.com/pidwire/pidwire/internal/wire"
)

func (a *app) openCommand() *cobra.Command {
	var v viewFlags
	var w writeFlags
	var in filesFlags
	var layers []string
	cmd := &cobra.Command{
		Use:   "open FILE... [flags]",
		Short: "print recordings, captures, audit logs, output of strace and tcpdump, as one timeline; without root, on any system",
		Long: `open prints the files of pidwire and of other tools. It merges several files into one
timeline, in which calls, packets and audit records are joined by connection.

  pidwire open curl.pidwire
  pidwire open web.strace web.pcap /var/log/audit/audit.log
  tcpdump -l -nn port 443 | pidwire open - web.strace

Formats are detected by content: recordings of pidwire, pcapng, pcap, snoop, audit
logs (also as printed by ausearch), output of strace, truss, tcpdump and kernel tracers
(SystemTap, ftrace's function_graph, DTrace). Each may be compressed with gzip or zstd.
The files of strace -ff count as one. The date and time zone of files without them are
determined by events that several files have in common; the result is printed. Use --date,
--tz and --shift to set them.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("open needs one or more files, or - for standard input")
			}
			if err := v.only(layers); err != nil {
				return err
			}
			in.dates = v.json || v.time == "epoch"
			in.resolve = v.resolve && !v.numeric
			in.quiet, in.lines = v.quiet, !v.summary && v.output == "" && (w.file == "" || v.json)
			return a.open(cmd.Context(), &v, &w, &in, args)
		},
	}
	cmd.Flags().StringSliceVarP(&layers, "layers", "l", nil, "`LAYERS` to show: sys, pkt, msg, krn, aud (default: all that the files have; without msg if flags select or show calls only, as -e trace=, -Z or --format strace; -e msg=: msg)")
	in.add(cmd.Flags())
	w.add(cmd.Flags())
	v.add(cmd)
	return cmd
}

func (a *app) open(parent context.Context, v *viewFlags, w *writeFlags, in *filesFlags, names []string) error {
	if err := v.parse(); err != nil {
		return err
	}
	if v.layers == nil && v.sel.protos != nil && !v.callsOnly() {
		_ = v.only([]string{"msg"})
	}
	if err := w.check(true); err != nil {
		return err
	}
	if a.outside() {
		return a.twoRooms(parent, allowed{in: names, out: *w, lines: v.output})
	}
	if v.format == "why" && !v.json && v.output == "" && len(names) == 2 && a.recording(names[0]) && a.recording(names[1]) {
		return a.compare(parent, in, names)
	}
	closeOut := func() error { return nil }
	out := &writer{}
	began := time.Now()
	problems := 0
	res, err := a.replay(parent, in, names, func(cfg *pipeline.Config, h wire.Header) error {
		cfg.Keep, cfg.Limit = v.keep(h), v.count
		cfg.Messages, cfg.Secrets, cfg.Numeric = v.layers["msg"] || v.layers == nil && h.Messages != wire.WithoutMessages && !v.callsOnly() && !v.drops, v.secrets, v.numeric
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
		if v.format == "why" {
			cfg.Messages, cfg.Verdicts = true, true
			s = &judged{Sink: s, problems: &problems}
		}
		closeOut, cfg.Sinks = done, append(cfg.Sinks, s)
		return nil
	})
	if problems > 0 {
		a.code = exitProblems
	}
	closeErr := errors.Join(closeOut(), out.close())
	if res != nil && !v.quiet && !errors.Is(err, syscall.EPIPE) {
		a.counts(*res, time.Since(began), v.drops)
	}
	if err != nil && !errors.Is(err, rotate.ErrDone) {
		return err
	}
	if w.file != "" {
		out.reportLeftOut(a)
	}
	if v.strict && lostAny(*res) {
		a.code = exitLost
	}
	return closeErr
}

// gcPercent lets the memory grow for messages, most of which are needed for a short time. The memory limit bounds it.
const gcPercent = 300

// replay passes files to the sinks that set adds, several as one timeline. A
// recording without its end is reported to stderr and is no error: all that it has
// was shown. The result is nil if an error occurred before the first record.
func (a *app) replay(parent context.Context, in *filesFlags, names []string, set func(*pipeline.Config, wire.Header) error) (*pipeline.Result, error) {
	ctx, stop := a.interrupted(parent)
	defer stop()
	a.over = ctx.Done()
	if err := in.parse(names); err != nil {
		return nil, err
	}
	in.bar = a.watched(in, names)
	defer in.bar.end()
	// The tables are bounded to some 30 MiB. This limit makes the garbage collector keep the
	// process below 64 MiB, including the pages of the program itself.
	debug.SetMemoryLimit(40 << 20)
	a.confine(in.resolve)
	src, closing, err := a.files(ctx, in, names)
	if err != nil && ctx.Err() != nil {
		return &pipeline.Result{}, nil // interrupted before the first record
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
	if cfg.Messages {
		debug.SetMemoryLimit(40<<20 + proto.Bytes)
		debug.SetGCPercent(gcPercent)
	}
	if cfg.Verdicts {
		debug.SetMemoryLimit(40<<20 + proto.Bytes + why.Bytes)
	}
	a.wrote(&cfg)
	res, err := pipeline.Run(ctx, cfg)
	return &res, a.ended(names[0], err)
}

// ended reports to stderr that a recording is cut, and returns all other errors of reading
// files, with their exit codes.
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
		return &exitError{code: exitDamaged, err: fmt.Errorf("%s: %w; everything before that was read", name, err)}
	case err != nil:
		return &exitError{code: codeOf(err), err: fmt.Errorf("%s: %w", name, err)}
	}
	return nil
}

// files opens files as one source. The caller must call the returned function to close it.
func (a *app) files(ctx context.Context, in *filesFlags, names []string) (pipeline.Source, func() error, error) {
	groups := a.groups(in, names)
	if len(groups) == 1 && !in.given() {
		src, closing, err := a.group(in, groups[0])
		if err == nil && in.dates && !in.quiet {
			switch src.Header().Clock {
			case wire.ClockDay:
				fmt.Fprintf(a.stderr, "pidwire: %s: only times of day, assumed date 1970-01-01 UTC (--date, --tz)\n", clean.Text(groups[0].name))
			case wire.ClockDate:
				fmt.Fprintf(a.stderr, "pidwire: %s: no time zone, assumed UTC (--tz)\n", clean.Text(groups[0].name))
			case wire.ClockStart, wire.ClockNone:
				fmt.Fprintf(a.stderr, "pidwire: %s: no times of day: shown times count from 1970-01-01 UTC\n", clean.Text(groups[0].name))
			}
		}
		return src, closing, err
	}
	var list []bundle.File
	for _, g := range groups {
		name := g.name
		if name == "-" && slices.ContainsFunc(list, func(f bundle.File) bool { return f.Once }) {
			return nil, nil, usageError("standard input (-) can only be read once")
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
		return nil, nil, of.Err // it has the name of the file
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

// group is one file, or the files of one run of strace -ff.
type group struct {
	name  string
	files []string
}

// groups groups the files of strace -ff by their prefix. A file that has a --shift
// is a group of its own.
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
		return false // the error is reported when it is opened again
	}
	defer f.Close()
	head := make([]byte, importer.SniffBytes)
	n, _ := io.ReadFull(f, head)
	return importer.Sniff(head[:n]) == importer.Strace
}

// group opens the files of a group as one source.
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

// file opens one file as a source.
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
			e.hint = []string{"known formats: recordings of pidwire, pcapng, pcap, snoop, audit logs, output of strace, truss, tcpdump and kernel tracers (SystemTap, ftrace, DTrace); each may be compressed with gzip or zstd"}
		}
		return nil, nil, e
	}
	return src, f.Close, nil
}

// compressedError means that the rest of a file cannot be decompressed.
type compressedError struct{ err error }

func (e *compressedError) Error() string {
	return fmt.Sprintf("the compressed data is truncated or damaged (%v)", e.err)
}
func (e *compressedError) Unwrap() error { return e.err }

// cutOff wraps err in a *compressedError, unless it is one.
func cutOff(err error) error {
	if errors.As(err, new(*compressedError)) {
		return err
	}
	return &compressedError{err}
}

// errWindow is returned for a zstd file whose window is too large.
var errWindow = errors.New("the zstd window is larger than 8 MiB (--long, --ultra); use zstd -dc --long=27 FILE | pidwire open -")

// decompressed wraps the errors of a decompressor in a *compressedError.
type decompressed struct{ r io.Reader }

func (d decompressed) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return n, errWindow
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF { // replay reports a recording that is cut
		err = &compressedError{err}
	}
	return n, err
}

// decompress returns a reader of the decompressed content of r, which begins with head, and
// whether it is compressed.
func decompress(r io.Reader, head []byte) (io.Reader, bool, error) {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}): // RFC 1952
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, true, &compressedError{err}
		}
		return decompressed{z}, true, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878
		// The largest window that zstd uses up to level 19 without --long or --ultra. It is
		// bounded because a few bytes of a file can request that much memory.
		const window = 8 << 20
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, true, &compressedError{err}
		}
		return decompressed{z}, true, nil
	}
	return r, false, nil
}

// source returns the source for a file. It detects the format by content, not by name.
func source(r io.Reader, name string) (pipeline.Source, error) {
	b := bufio.NewReaderSize(r, 4*importer.SniffBytes)
	head, _ := b.Peek(12) // the first read returns the error again
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
	// Only the bytes that are buffered, as standard input may be slow.
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
