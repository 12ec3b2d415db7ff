package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pidwire/pidwire/internal/outfile"
	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/sink/rotate"
	"github.com/pidwire/pidwire/internal/wire"
)

// writeFlags are the flags for the output file, common to trace and open.
type writeFlags struct {
	file        string // -w
	size        uint64 // -C, in units of 1,000,000 bytes
	seconds     uint32 // -G
	files       int    // -W
	packetsOnly bool
	byDevice    bool
}

func (w *writeFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&w.file, "write", "w", "", "write to `FILE`, in the format of its suffix: .pidwire, .pcapng (Wireshark) or .pcap; - is standard output")
	f.BoolVar(&w.packetsOnly, "packets-only", false, "-w .pcapng: no calls and states")
	f.BoolVar(&w.byDevice, "by-device", false, "-w .pcapng: one interface per network interface, instead of one per process")
	f.Uint64VarP(&w.size, "file-size", "C", 0, "-w .pcapng, .pcap: start the next file after `N` million bytes, as in tcpdump")
	f.Uint32VarP(&w.seconds, "rotate-seconds", "G", 0, "-w .pcapng, .pcap: start the next file after `N` seconds; FILE is a strftime template")
	f.IntVarP(&w.files, "file-count", "W", 0, "with -C keep a ring of `N` files; with -G stop after N files")
}

// fileKind is the format of the output file.
type fileKind int

const (
	noFile fileKind = iota
	recordingFile
	pcapngFile
	pcapFile
)

// kind returns the format by the name of the file. Standard output is a pcapng, for a pipe to
// Wireshark, if there are packets.
func (w *writeFlags) kind(packets bool) fileKind {
	switch filepath.Ext(w.file) {
	case ".pcapng", ".ntar":
		return pcapngFile
	case ".pcap", ".cap":
		return pcapFile
	}
	switch {
	case w.file == "":
		return noFile
	case w.file == "-" && packets:
		return pcapngFile
	}
	return recordingFile
}

// check returns an error for flags that exclude each other.
func (w *writeFlags) check(packets bool) error {
	if w.file == "/dev/stdout" {
		w.file = "-"
	}
	kind := w.kind(packets)
	for _, f := range []struct {
		name string
		set  bool
		kind fileKind
	}{
		{"--packets-only", w.packetsOnly, pcapngFile}, {"--by-device", w.byDevice, pcapngFile},
		{"-C", w.size != 0, pcapFile}, {"-G", w.seconds != 0, pcapFile}, {"-W", w.files != 0, pcapFile},
	} {
		if f.set && kind != f.kind && kind != pcapngFile {
			return usageError("%s needs -w FILE.pcapng", f.name)
		}
	}
	rotates := w.rotates()
	switch {
	case kind == pcapFile && !packets:
		return usageError("-w %s: a pcap file contains packets: it needs layer pkt, as in -l pkt", w.file)
	case w.files != 0 && !rotates:
		return usageError("-W %d needs -C or -G", w.files)
	case w.files < 0:
		return usageError("-W %d: not a number of files", w.files)
	case rotates && w.file == "-":
		return usageError("-C and -G cannot write to standard output")
	}
	return nil
}

// writer is an open output file.
type writer struct {
	closers []func() error
	leftOut func() uint64 // number of frames that its format cannot hold
	name    string
}

func (w *writer) close() (err error) {
	for _, c := range w.closers {
		err = errors.Join(err, c())
	}
	w.closers = nil
	return err
}

// place identifies an output file of the command line.
type place struct {
	lines bool         // the file of -o, not one of -w
	file  rotate.Place // which file of -w with -C or -G
}

// create opens a file for writing. The unprivileged process requests it from the collector.
func (a *app) create(name string, p place) (*os.File, error) {
	if a.in != nil {
		return a.in.create(p)
	}
	return outfile.Rules{UID: -1, Inputs: a.inputs}.Create(name)
}

// rotates reports whether -C or -G split the output into several files.
func (w *writeFlags) rotates() bool { return w.size != 0 || w.seconds != 0 }

// names returns the options that determine the names of these files.
func (w *writeFlags) names() rotate.Options {
	return rotate.Options{
		Name: w.file, Size: int64(w.size) * 1_000_000, Every: time.Duration(w.seconds) * time.Second, Count: w.files, Zone: time.Local,
	}
}

// open opens the output file and adds it to cfg: a recording as Tap, else as a sink.
func (w *writeFlags) open(a *app, cfg *pipeline.Config, h wire.Header, snaplen uint32, filter string) (*writer, error) {
	out := &writer{leftOut: func() uint64 { return 0 }, name: w.file}
	kind := w.kind(h.Layers == 0 || h.Layers&(1<<wire.LayerPkt) != 0)
	single := func() (io.Writer, error) {
		if w.file == "-" {
			return a.stdout, nil
		}
		f, err := a.create(w.file, place{})
		if err == nil {
			out.closers = append(out.closers, f.Close)
		}
		return f, err
	}
	switch kind {
	case noFile:
		return out, nil
	case recordingFile:
		f, err := single()
		if err != nil {
			return out, err
		}
		cfg.Tap, err = wire.NewWriter(f, h)
		if err != nil {
			err = fmt.Errorf("writing the recording: %w", err)
		}
		return out, err
	case pcapFile:
		fmt.Fprintf(a.stderr, "pidwire: %s: the pcap format cannot store processes, calls, states and losses; use .pcapng\n", w.file)
	}
	var prologue bytes.Buffer
	if _, err := wire.NewWriter(&prologue, h); err != nil {
		return out, err
	}
	watched := strings.Join(append(append([]string(nil), h.Targets...), h.Command...), " ")
	preamble := pcapng.NewPreamble()
	var left uint64
	var last interface{ LeftOut() uint64 }
	out.leftOut = func() uint64 {
		if last == nil {
			return left
		}
		return left + last.LeftOut()
	}
	create := func(f io.Writer) (sink.Sink, error) {
		left, last = out.leftOut(), nil
		if kind == pcapFile {
			s, err := pcapng.NewPcap(f, snaplen)
			last = s
			return s, err
		}
		s, err := pcapng.New(f, pcapng.Options{
			App: "pidwire " + Version, OS: "Linux " + h.Kernel, Hardware: h.Arch, Comment: fmt.Sprintf("pidwire %s: %s", Version, watched),
			Snaplen: snaplen, Filter: filter, PacketsOnly: w.packetsOnly, ByDevice: w.byDevice,
			Notation: notation.Options{StrLen: int(max(h.StrLen, 32))}, Header: prologue.Bytes(), Start: int64(h.Wall), Preamble: preamble,
		})
		last = s
		return s, err
	}
	var (
		s   sink.Sink
		err error
	)
	if w.rotates() {
		o := w.names()
		o.Start, o.Make = int64(h.Wall), create
		o.Open = func(name string, at rotate.Place) (io.WriteCloser, error) { return a.create(name, place{file: at}) }
		s, err = rotate.New(o)
	} else {
		var f io.Writer
		if f, err = single(); err == nil {
			s, err = create(f)
		}
	}
	if err != nil {
		return out, fmt.Errorf("writing %s: %w", w.file, err)
	}
	cfg.Sinks, cfg.Files = append(cfg.Sinks, s), 1
	return out, nil
}

// reportLeftOut reports how many frames were left out of the file.
func (w *writer) reportLeftOut(a *app) {
	if n := w.leftOut(); n > 0 {
		fmt.Fprintf(a.stderr, "pidwire: %d frames without IP were not written to %s\n", n, w.name)
	}
}
