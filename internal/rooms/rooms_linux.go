// Package rooms runs pidwire as two processes. The collector is the one that the user started: it has
// the privilege, loads eBPF programs, reads /proc and audit, and takes back what it put into the kernel,
// however the other one ends. The rest is its child: it runs as the user who called, with no capability,
// and parses, decodes and prints what the collector passes on.
//
//	collector                              rest
//	source ── records, idle moments ──────▶ merge, decode, flow, sinks     (a pipe, see stream.go)
//	opens files by the rules of outfile ◀── asks for the files of the command line   (a socket, control.go)
//
// The rest is the same program with the same arguments under another argv[0], so both read the flags
// alike, and nothing of them is passed on.
package rooms

import (
	"os"

	"github.com/pidwire/pidwire/internal/sandbox"
)

// Arg0 is argv[0] of the rest.
const Arg0 = "pidwire-rest"

// Descriptors of the rest, the first of exec.Cmd's ExtraFiles.
const (
	streamFD  = 3 // records come here
	controlFD = 4 // requests and answers, a message each
	stopFD    = 5 // at its end when the collector wants the rest to end early
	beatFD    = 6 // an eventfd: what was written is counted there
)

// hello is the first message on the control socket: whom the rest becomes.
type hello struct {
	As sandbox.Identity
}

// Request is what the rest asks of the collector: a file, or an end. Exactly one field is set.
type Request struct {
	In   *string `json:",omitempty"` // to read: a name as the command line has it
	Size *string `json:",omitempty"` // the same, of which only the size is wanted
	Out  *Place  `json:",omitempty"` // to write
	// Module is a file that a watched process has mapped, to read; the number is a record's
	// (wire.TagModule).
	Module *uint32 `json:",omitempty"`
	Ready  bool    `json:",omitempty"` // all outputs are open: the run may begin
	Stop   *uint32 `json:",omitempty"` // end the run, with this reason of wire.End
}

// Place says which file of the command line is written: that of -o, or one of those of -w.
type Place struct {
	Lines bool  // the file of -o
	Since int64 // -w with -G: when the file's interval began, ns since the epoch
	Turn  int   // -w with -C or -G: the file's number
}

// answer tells what came of a request; an opened file comes beside it.
type answer struct {
	Err  string `json:",omitempty"` // empty: done
	Code int    `json:",omitempty"` // exit code that the error asks for
	Hint string `json:",omitempty"`

	Name    string `json:",omitempty"` // of the file: errors of its reads and writes say it
	Regular bool   `json:",omitempty"` // of Size
	Bytes   int64  `json:",omitempty"`
}

// FileError is why a file was not opened, as the collector says it.
type FileError struct {
	Text string
	Code int // exit code
	Hint string
}

func (e *FileError) Error() string { return e.Text }

// insideEnv is set in the environment of the rest: it never starts another one.
const insideEnv = "PIDWIRE_REST"

// self is the program file of this process, whatever its name is by now.
const self = "/proc/self/exe"

// emptyFile is a descriptor that gives and takes nothing.
func emptyFile() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }
