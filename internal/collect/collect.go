//go:build linux

// Package collect opens live sources for the collector. Which there are, and which of them a run gets, is
// known here alone: a further one (ptrace, where eBPF is not allowed) is a package below source and a line
// in the list of openers.
package collect

import (
	"context"
	"errors"
	"os"

	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Options say what to watch and how. A source that cannot do what they ask for says so in Missing, or is
// not opened if nothing is left.
type Options = bpf.Options

// Live is a source of live records. Its methods are for one goroutine, but for Look.
type Live interface {
	// Header returns the header of what Run emits.
	Header() wire.Header
	// OnStart has a function called by Run once all targets are watched, before the first record of
	// theirs is emitted; its error ends the run. Nothing needs privilege to be loaded after it.
	OnStart(func() error)
	// Run emits records until ctx is done or no target is left. emit(nil) says that nothing more is at
	// hand now; records belong to the source again when emit returns. The last record is a KindEnd.
	Run(ctx context.Context, emit func(wire.Record) error) error
	// Watched returns the processes that were targets when Run began. It is for OnStart's function.
	Watched() []*proc.Process
	// Missing returns what does not work here, a sentence each; Engine what tells of the functions of the
	// kernel, empty if nothing does.
	Missing() []string
	Engine() string
	// Look has Run emit how the TCP sockets of the targets stand now. Any goroutine may call it.
	Look() error
	// Unaudited returns the threads of the targets that Linux audit cannot see, by process.
	Unaudited() (map[uint32][]uint32, error)
	// Module opens a file that a watched process has mapped, by its number in the records of symbols
	// (wire.TagModule). It is the caller's to close. Any goroutine may call it.
	Module(id uint32) (*os.File, error)
	// NeededCaps returns the capabilities that the source needs from OnStart on, by number
	// (linux/capability.h).
	NeededCaps() []uint
	// Close takes everything back that the source has put into the kernel.
	Close() error
}

// openers are the live sources, the one that tells most first.
var openers = []func(Options) (Live, error){
	func(o Options) (Live, error) {
		s, err := bpf.New(o)
		if err != nil {
			return nil, err // as an interface without a source in it
		}
		return s, nil
	},
}

// Open opens the first source that can be had. The error is that of all that cannot.
func Open(o Options) (Live, error) {
	var errs []error
	for _, open := range openers {
		s, err := open(o)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

// Clock returns CLOCK_MONOTONIC, in ns: the clock of the records.
func Clock() uint64 { return bpf.Clock() }
