// Package outfile opens the files that pidwire writes. Recordings hold what others said in confidence,
// and are often made by root in directories of others, so the rules are strict:
//
//   - A new file is made, never through a link, with mode 0600, and belongs to the calling user.
//   - A file that exists is written over only if it is a regular file, by that name alone, of the calling
//     user or of root; it gets mode 0600 before the first byte.
//   - A file that is read in the same run is never written, by whatever name.
package outfile

import (
	"errors"
	"fmt"
	"os"
)

// Rules say for whom files are opened.
type Rules struct {
	UID, GID int           // whose new files are; -1: they stay whose they are
	Inputs   []os.FileInfo // what is read in the same run
}

// ErrRefused says that a file may not be written over; the text says why.
var ErrRefused = errors.New("not written")

// refuse makes an error that names the file, the cause and what to do.
func refuse(name, cause, fix string) error {
	return fmt.Errorf("%s: %w: %s; %s", name, ErrRefused, cause, fix)
}

const otherName = "give another name, or remove it first"

// input refuses a file that is read in the same run.
func (r Rules) input(name string, info os.FileInfo) error {
	for _, in := range r.Inputs {
		if os.SameFile(in, info) {
			return refuse(name, "it is read in the same run (as "+in.Name()+"), and would be lost", "give another name")
		}
	}
	return nil
}
