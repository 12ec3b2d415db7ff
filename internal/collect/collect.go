//go:build linux

// Package collect opens live sources for the collector. No other package knows which ones exist, and which one
// a run uses: a new one (such as ptrace, where eBPF is not allowed) is a package below source and an entry
// in openers.
package collect

import (
	"context"
	"errors"
	"os"

	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Options selects what to watch and how. A source that cannot do all of it returns notes from Missing; if it
// can do nothing of it, Open fails.
type Options = bpf.Options

// Live is a source of live records. Its methods must be called from one goroutine, except Look and Module.
type Live interface {
	// Header returns the header of the records that Run emits.
	Header() wire.Header
	// OnStart sets a function that Run calls when all targets are watched, before it emits their first
	// record. An error of the function ends the run. No programs are loaded after it.
	OnStart(func() error)
	// Run emits records until ctx is done or no target is left. emit(nil) means that no more records are
	// available now. A record is valid until emit returns. The last record is a KindEnd.
	Run(ctx context.Context, emit func(wire.Record) error) error
	// Watched returns the processes that were targets when Run began. It is for the function of OnStart.
	Watched() []*proc.Process
	// Missing returns a sentence for each thing that does not work on this machine.
	Missing() []string
	// Engine returns the engine that traces the functions of the kernel, or an empty string.
	Engine() string
	// Look makes Run emit the current state of the TCP sockets of the targets. It is safe for concurrent use.
	Look() error
	// Unaudited returns the threads of the targets that Linux audit cannot see, by pid.
	Unaudited() (map[uint32][]uint32, error)
	// Module opens a file that a watched process has mapped, by its number in the records of symbols
	// (wire.TagModule). The caller must close it. It is safe for concurrent use.
	Module(id uint32) (*os.File, error)
	// NeededCaps returns the capabilities that the source needs from OnStart on, by number
	// (linux/capability.h).
	NeededCaps() []uint
	// Close removes everything that the source has added to the kernel.
	Close() error
}

// openers open the live sources, the most detailed one first.
var openers = []func(Options) (Live, error){
	func(o Options) (Live, error) {
		s, err := bpf.New(o)
		if err != nil {
			return nil, err // not s: the interface must be nil
		}
		return s, nil
	},
}

// Open opens the first available source. If none is, the error joins those of all.
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

// Clock returns the time of CLOCK_MONOTONIC in ns, which is the clock of the records.
func Clock() uint64 { return bpf.Clock() }
