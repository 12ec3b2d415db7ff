// Package rooms runs pidwire as two processes. The collector is the privileged process that the user has
// started: it loads eBPF programs, reads /proc and audit, and removes all that it has added to the kernel,
// no matter how the other process ends. The rest is its unprivileged child: it runs as the user who called
// (sandbox.Caller), without capabilities, and parses, decodes and prints the records of the collector.
//
//	collector                              rest
//	source ── records, idle moments ──────▶ merge, decode, flow, sinks     (a pipe, see stream.go)
//	opens files by the rules of outfile ◀── asks for the files of the command line   (a socket, control.go)
//
// The rest is the same program with the same arguments under another argv[0], so both parse the same
// flags, and these need not be sent.
package rooms

import (
	"os"

	"github.com/pidwire/pidwire/internal/sandbox"
)

// Arg0 is argv[0] of the rest.
const Arg0 = "pidwire-rest"

// Descriptors of the rest, in the order of exec.Cmd's ExtraFiles.
const (
	streamFD  = 3 // pipe with the records
	controlFD = 4 // socket for requests and answers
	stopFD    = 5 // pipe that the collector closes to interrupt the rest
	beatFD    = 6 // eventfd that the rest increments when it has written output
)

// hello is the first message on the control socket: the user to which the rest switches.
type hello struct {
	As sandbox.Identity
}

// Request is a request of the rest to the collector. Exactly one field is set.
type Request struct {
	In   *string `json:",omitempty"` // open a file for reading: a name from the command line
	Size *string `json:",omitempty"` // return the size of such a file
	Out  *Place  `json:",omitempty"` // open a file for writing
	// Module requests a file that a watched process has mapped, for reading. The number is that of
	// a record (wire.TagModule).
	Module *uint32 `json:",omitempty"`
	Ready  bool    `json:",omitempty"` // all outputs are open: the run may begin
	Stop   *uint32 `json:",omitempty"` // end the run, with one of the reasons wire.End*
}

// Place identifies an output file of the command line: that of -o, or one of those of -w.
type Place struct {
	Lines bool  // the file of -o
	Since int64 // -w with -G: start of the file's interval, ns since the epoch
	Turn  int   // -w with -C or -G: the number of the file
}

// answer is the answer to a request. The descriptor of an opened file is sent with it.
type answer struct {
	Err  string `json:",omitempty"` // empty: success
	Code int    `json:",omitempty"` // exit code for the error
	Hint string `json:",omitempty"`

	Name    string `json:",omitempty"` // of the file, for errors of reads and writes
	Regular bool   `json:",omitempty"` // answer to Size
	Bytes   int64  `json:",omitempty"`
}

// FileError is the collector's error for a file that it has not opened.
type FileError struct {
	Text string
	Code int // exit code
	Hint string
}

func (e *FileError) Error() string { return e.Text }

// insideEnv is set in the environment of the rest, which must not start another one.
const insideEnv = "PIDWIRE_REST"

// self is the executable of this process, even if its file was renamed or removed.
const self = "/proc/self/exe"

// emptyFile opens /dev/null.
func emptyFile() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }
